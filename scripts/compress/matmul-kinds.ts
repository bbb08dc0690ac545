import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openForRuns, type RunningModel } from '../../src/compress/run-model.ts';
import { PLAIN_SAMPLES, sampleInputs } from '../../src/compress/sample-inputs.ts';
import type { InputPart } from '../../src/infer/protocol.ts';
import { createNode, createValueInfo } from '../../src/onnx/build.ts';
import { recordOfBytes } from '../../src/onnx/constant.ts';
import { CONTRIBUTED } from '../../src/onnx/edit-model.ts';
import { encodeModel } from '../../src/onnx/graph.ts';
import type { Model, Node, TensorRecord } from '../../src/onnx/proto.ts';

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
const ROUNDS = 60;
const THREADS = 2;
const WARM_UP = 2;

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
const folder = await mkdtemp(join(tmpdir(), 'ledge-matmul-'));
try {
  for (const [inputs, outputs] of SHAPES) await compareKinds(inputs, outputs);
} finally {
  await rm(folder, { recursive: true });
}

async function compareKinds(inputs: number, outputs: number): Promise<void> {
  const running: { kind: string; model: RunningModel; sample: InputPart[]; times: number[] }[] = [];
  for (const [kind, make] of Object.entries(KINDS)) {
    const model = modelOf(make(inputs, outputs), inputs, outputs);
    const file = join(folder, 'model.onnx');
    await writeFile(file, encodeModel(model));
    const opened = await openForRuns(file, model.graph!, { threads: THREADS });
    const sample = sampleInputs(model.graph!, PLAIN_SAMPLES);
    running.push({ kind, model: opened, sample, times: [] });
  }
  for (let round = -WARM_UP; round < ROUNDS; round += 1) {
    for (const { model, sample, times } of running) {
      const start = performance.now();
      await model.run(sample);
      if (round >= 0) times.push(performance.now() - start);
    }
  }
  process.stdout.write(`[${rows}, ${inputs}] x [${inputs}, ${outputs}]\n`);
  for (const { kind, model, times } of running) {
    const quarter = times.sort((a, b) => a - b)[Math.floor(ROUNDS / 4)] ?? 0;
    process.stdout.write(`  ${kind.padEnd(32)}${quarter.toFixed(3)} ms\n`);
    await model[Symbol.asyncDispose]();
  }
}

function modelOf({ nodes, constants }: Product, inputs: number, outputs: number): Model {
  const none = { unknown: [] } as const;
  return {
    ...none,
    irVersion: 8n,
    opsetImports: [
      { ...none, domain: '', version: 17n },
      { ...none, domain: CONTRIBUTED, version: 1n },
    ],
    metadata: [],
    functions: [],
    graph: {
      ...none,
      name: 'product',
      nodes,
      initializers: constants,
      sparseInitializers: [],
      valueInfos: [],
      inputs: [createValueInfo('x', 'float32', [rows, inputs])],
      outputs: [createValueInfo('y', 'float32', [rows, outputs])],
    },
  };
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
