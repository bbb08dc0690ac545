import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openForRuns, type RunningModel } from '../../src/compress/run-model.ts';
import { sampleInputs } from '../../src/compress/sample-inputs.ts';
import type { InputPart } from '../../src/infer/protocol.ts';
import { createNode, createValueInfo } from '../../src/onnx/build.ts';
import { recordOfTensor } from '../../src/onnx/constant.ts';
import { CONTRIBUTED } from '../../src/onnx/edit-model.ts';
import { encodeModel } from '../../src/onnx/graph.ts';
import type { Model, Node, TensorRecord } from '../../src/onnx/proto.ts';
import { float32, type Tensor } from '../../src/tensor/tensor.ts';

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
const ROUNDS = 60;
const WARM_UP = 3;

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
const folder = await mkdtemp(join(tmpdir(), 'ledge-attention-'));
try {
  for (const [rows, before] of CASES) await compareKinds(rows, before);
} finally {
  await rm(folder, { recursive: true });
}

async function compareKinds(rows: number, before: number): Promise<void> {
  const running: { kind: string; model: RunningModel; sample: InputPart[]; times: number[] }[] = [];
  let reference: readonly number[] | undefined;
  process.stdout.write(`${rows} rows after ${before}\n`);
  for (const [kind, make] of Object.entries(KINDS)) {
    const model = modelOf(make(rows, before), rows, before);
    const file = join(folder, 'model.onnx');
    await writeFile(file, encodeModel(model));
    const opened = await openForRuns(file, model.graph!, { threads });
    const sample = sampleInputs(model.graph!, { seed: 1, sizes: {}, ranges: {} });
    const [y] = await opened.run(sample);
    const values = Array.from(y!.data, Number);
    reference ??= values;
    let error = 0;
    for (const [at, value] of values.entries()) {
      error = Math.max(error, Math.abs(value - reference[at]!));
    }
    process.stdout.write(`  ${kind.padEnd(34)}max error ${error.toExponential(1)}\n`);
    running.push({ kind, model: opened, sample, times: [] });
  }
  for (let round = -WARM_UP; round < ROUNDS; round += 1) {
    for (const { model, sample, times } of running) {
      const start = performance.now();
      await model.run(sample);
      if (round >= 0) times.push(performance.now() - start);
    }
  }
  for (const { kind, model, times } of running) {
    const quarter = times.sort((a, b) => a - b)[Math.floor(ROUNDS / 4)] ?? 0;
    process.stdout.write(`  ${kind.padEnd(34)}${quarter.toFixed(3)} ms\n`);
    await model[Symbol.asyncDispose]();
  }
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
function modelOf({ nodes, constants }: Form, rows: number, before: number): Model {
  const none = { unknown: [] } as const;
  const total = rows + before;
  const mask = Float32Array.from({ length: rows * total }, (_, at) =>
    at % total <= Math.floor(at / total) + before ? 0 : -1e9,
  );
  const rowsOf = (name: string) => createValueInfo(name, 'float32', [1, rows, WIDTH]);
  const cache = (name: string, length: number) =>
    createValueInfo(name, 'float32', [1, HEADS, length, SIZE]);
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
      name: 'attention',
      nodes,
      initializers: [...constants, record('bias', float32([1, 1, rows, total], mask))],
      sparseInitializers: [],
      valueInfos: [],
      inputs: [...['q', 'k', 'v'].map(rowsOf), cache('past_k', before), cache('past_v', before)],
      outputs: [rowsOf('y'), cache('present_k', total), cache('present_v', total)],
    },
  };
}
