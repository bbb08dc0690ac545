import { createNode, createValueInfo } from '../../src/onnx/build.ts';
import { recordOfBytes } from '../../src/onnx/constant.ts';
import { CONTRIBUTED } from '../../src/onnx/edit-model.ts';
import type { Node, TensorRecord } from '../../src/onnx/proto.ts';
import { compareKinds } from './compare-kinds.ts';

// Which of onnxruntime's quantised products is fastest here, for the layers of DistilGPT-2's shape:
// npx tsx scripts/compress/matmul-kinds.ts [rows]

/** [inputs, outputs] of a block's four products and of the head. */
const SHAPES = [
  [768, 2304],
  [768, 768],
  [768, 3072],
  [3072, 768],
  [768, 50_257],
] as const;
const THREADS = 2;

interface Product {
  readonly nodes: readonly Node[];
  readonly constants: readonly TensorRecord[];
}

type Maker = (inputs: number, outputs: number) => Product;

const KINDS: Readonly<Record<string, Maker>> = {
  'MatMul float32': (inputs, outputs) => ({
    nodes: [createNode({ operator: 'MatMul', inputs: ['x', 'w'], outputs: ['y'] })],
    constants: [floats('w', [inputs, outputs])],
  }),
  'DynamicQuantizeMatMul int8': (inputs, outputs) => ({
    nodes: [contributed('DynamicQuantizeMatMul', ['x', 'w', 's', 'z'])],
    constants: columns('int8', inputs, outputs),
  }),
  'MatMulIntegerToFloat int8': integerToFloat('int8'),
  'MatMulIntegerToFloat uint8': integerToFloat('uint8'),
  'MatMulNBits 8 bits, block 32': blocks(8, 32),
  'MatMulNBits 8 bits, block 128': blocks(8, 128),
  'MatMulNBits 4 bits, block 32': blocks(4, 32),
  'MatMulNBits 4 bits, block 128': blocks(4, 128),
};

const rows = Number(process.argv[2] ?? 1);
for (const [inputs, outputs] of SHAPES) {
  const ends = {
    inputs: [createValueInfo('x', 'float32', [rows, inputs])],
    outputs: [createValueInfo('y', 'float32', [rows, outputs])],
  };
  const kinds = Object.entries(KINDS).map(([name, make]) => [
    name,
    { ...make(inputs, outputs), ...ends },
  ]);
  const title = `[${rows}, ${inputs}] x [${inputs}, ${outputs}]`;
  await compareKinds(title, Object.fromEntries(kinds), { threads: THREADS });
}

function contributed(
  operator: string,
  inputs: readonly string[],
  attributes: Readonly<Record<string, bigint>> = {},
): Node {
  return createNode({ operator, domain: CONTRIBUTED, inputs, outputs: ['y'], attributes });
}

function floats(name: string, shape: readonly number[]): TensorRecord {
  const count = shape.reduce((product, size) => product * size, 1);
  const values = Float32Array.from({ length: count }, (_, at) => 0.01 + (at % 7) / 1000);
  return recordOfBytes(name, { type: 'float32', shape, bytes: new Uint8Array(values.buffer) });
}

function bytes(name: string, shape: readonly number[], type = 'uint8'): TensorRecord {
  const count = shape.reduce((product, size) => product * size, 1);
  const values = Uint8Array.from({ length: count }, (_, at) => (at * 7919) & 255);
  return recordOfBytes(name, { type, shape, bytes: values });
}

function columns(type: string, inputs: number, outputs: number): readonly TensorRecord[] {
  return [bytes('w', [inputs, outputs], type), floats('s', [outputs]), bytes('z', [outputs], type)];
}

function integerToFloat(type: string): Maker {
  return (inputs, outputs) => ({
    nodes: [
      createNode({ operator: 'DynamicQuantizeLinear', inputs: ['x'], outputs: ['q', 'qs', 'qz'] }),
      contributed('MatMulIntegerToFloat', ['q', 'w', 'qs', 's', 'qz', 'z']),
    ],
    constants: columns(type, inputs, outputs),
  });
}

function blocks(bits: 4 | 8, block: number): Maker {
  return (inputs, outputs) => {
    const count = Math.ceil(inputs / block);
    const numbers = { K: inputs, N: outputs, bits, block_size: block, accuracy_level: 4 };
    const attributes = Object.fromEntries(
      Object.entries(numbers).map(([name, value]) => [name, BigInt(value)]),
    );
    return {
      nodes: [contributed('MatMulNBits', ['x', 'w', 's'], attributes)],
      constants: [bytes('w', [outputs, count, (block * bits) / 8]), floats('s', [outputs, count])],
    };
  };
}
