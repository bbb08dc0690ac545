import { createNode, createValueInfo } from '../../src/onnx/build.ts';
import { recordOfTensor } from '../../src/onnx/constant.ts';
import { CONTRIBUTED } from '../../src/onnx/edit-model.ts';
import type { Node, TensorRecord } from '../../src/onnx/proto.ts';
import { float32, type Tensor } from '../../src/tensor/tensor.ts';
import { compareKinds, type Kind } from './compare-kinds.ts';

// Which of onnxruntime's forms of attention is fastest here, for DistilGPT-2's heads:
// npx tsx scripts/compress/attention-kinds.ts [threads]

const HEADS = 12;
const SIZE = 64;
const WIDTH = HEADS * SIZE;
/** [rows, rows before them]: a prompt, and one token after more and more of them. */
const CASES = [
  [16, 0],
  [128, 0],
  [512, 0],
  [1, 16],
  [1, 128],
  [1, 512],
  [16, 128],
] as const;

interface Form {
  readonly nodes: readonly Node[];
  readonly constants: readonly TensorRecord[];
}

type Maker = (rows: number, before: number) => Form;

const KINDS: Readonly<Record<string, Maker>> = {
  'parts, mask added': () => parts(),
  'MultiHeadAttention, mask added': () => multiHead(['bias'], {}),
  'MultiHeadAttention, causal': () => multiHead([''], { unidirectional: 1n }),
  GroupQueryAttention: groupQuery,
};

const threads = Number(process.argv[2] ?? 1);
for (const [rows, before] of CASES) {
  const kinds = Object.entries(KINDS).map(([name, make]) => [
    name,
    kindOf(make(rows, before), rows, before),
  ]);
  await compareKinds(`${rows} rows after ${before}`, Object.fromEntries(kinds), {
    threads,
    same: true,
  });
}

/** The formula as exporters write it. */
function parts(): Form {
  const split = (name: string) => [
    createNode({ operator: 'Reshape', inputs: [name, 'heads'], outputs: [`${name}_split`] }),
    turned(`${name}_split`, `${name}_heads`, [0n, 2n, 1n, 3n]),
  ];
  const joined = (part: string, name: string, output: string) =>
    createNode({
      operator: 'Concat',
      inputs: [part, name],
      outputs: [output],
      attributes: { axis: 2n },
    });
  const plain = (operator: string, inputs: readonly string[], output: string) =>
    createNode({ operator, inputs, outputs: [output] });
  return {
    nodes: [
      ...['q', 'k', 'v'].flatMap(split),
      joined('past_k', 'k_heads', 'present_k'),
      joined('past_v', 'v_heads', 'present_v'),
      turned('present_k', 'k_turned', [0n, 1n, 3n, 2n]),
      plain('MatMul', ['q_heads', 'k_turned'], 'product'),
      plain('Div', ['product', 'root'], 'scaled'),
      plain('Add', ['scaled', 'bias'], 'scores'),
      plain('Softmax', ['scores'], 'shares'),
      plain('MatMul', ['shares', 'present_v'], 'mixed'),
      turned('mixed', 'mixed_rows', [0n, 2n, 1n, 3n]),
      plain('Reshape', ['mixed_rows', 'rows'], 'y'),
    ],
    constants: [
      record('heads', wholes([4], [0, 0, HEADS, SIZE])),
      record('rows', wholes([3], [0, 0, WIDTH])),
      record('root', float32([], Float32Array.of(Math.sqrt(SIZE)))),
    ],
  };
}

function turned(input: string, output: string, perm: readonly bigint[]): Node {
  return createNode({
    operator: 'Transpose',
    inputs: [input],
    outputs: [output],
    attributes: { perm },
  });
}

function multiHead([bias]: readonly [string], more: Readonly<Record<string, bigint>>): Form {
  const node = createNode({
    operator: 'MultiHeadAttention',
    domain: CONTRIBUTED,
    inputs: ['q', 'k', 'v', '', '', bias, 'past_k', 'past_v'],
    outputs: ['y', 'present_k', 'present_v'],
    attributes: { num_heads: BigInt(HEADS), ...more },
  });
  return { nodes: [node], constants: [] };
}

function groupQuery(rows: number, before: number): Form {
  const node = createNode({
    operator: 'GroupQueryAttention',
    domain: CONTRIBUTED,
    inputs: ['q', 'k', 'v', 'past_k', 'past_v', 'last', 'total'],
    outputs: ['y', 'present_k', 'present_v'],
    attributes: { num_heads: BigInt(HEADS), kv_num_heads: BigInt(HEADS) },
  });
  const number = (shape: readonly number[], value: number): Tensor => ({
    kind: 'tensor',
    type: 'int32',
    shape,
    data: Int32Array.of(value),
  });
  const total = rows + before;
  return {
    nodes: [node],
    constants: [record('last', number([1], total - 1)), record('total', number([], total))],
  };
}

function wholes(shape: readonly number[], values: readonly number[]): Tensor {
  return { kind: 'tensor', type: 'int64', shape, data: BigInt64Array.from(values.map(BigInt)) };
}

function record(name: string, tensor: Tensor): TensorRecord {
  return recordOfTensor(name, tensor);
}

/** The bias is a constant of the causal mask: how it is made is not measured. */
function kindOf({ nodes, constants }: Form, rows: number, before: number): Kind {
  const total = rows + before;
  const mask = Float32Array.from({ length: rows * total }, (_, at) =>
    at % total <= Math.floor(at / total) + before ? 0 : -1e9,
  );
  const rowsOf = (name: string) => createValueInfo(name, 'float32', [1, rows, WIDTH]);
  const cache = (name: string, length: number) =>
    createValueInfo(name, 'float32', [1, HEADS, length, SIZE]);
  return {
    nodes,
    constants: [...constants, record('bias', float32([1, 1, rows, total], mask))],
    inputs: [...['q', 'k', 'v'].map(rowsOf), cache('past_k', before), cache('past_v', before)],
    outputs: [rowsOf('y'), cache('present_k', total), cache('present_v', total)],
  };
}
