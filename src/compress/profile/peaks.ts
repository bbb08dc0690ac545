import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { InputPart } from '../../infer/protocol.ts';
import { openSession } from '../../infer/session.ts';
import { createNode, createValueInfo, type NodeParts } from '../../onnx/build.ts';
import { recordOfTensor } from '../../onnx/constant.ts';
import { encodeModel } from '../../onnx/graph.ts';
import type { Model } from '../../onnx/proto.ts';
import {
  type DataType,
  elementCount,
  type NamedTensorSpec,
  type Tensor,
  tensorOf,
} from '../../tensor/tensor.ts';
import { randomOf } from '../sample-inputs.ts';

/** What a machine can do on some threads, measured: the roofs of a roofline. */
export interface Peaks {
  /** Multiplications and additions in float32, in thousands of millions a second. */
  readonly floatGflops: number;
  /** The same of 8-bit numbers. */
  readonly byteGflops: number;
  /** Memory, read by a product of a vector and a matrix, or copied: whichever is faster. */
  readonly gigabytesPerSecond: number;
  /** How many bytes were gone through for it: as many as the model needs. */
  readonly workingSetBytes: number;
}

export interface PeakOptions {
  readonly folder: string;
  readonly threads: number;
  readonly workingSetBytes: number;
}

/** Large enough that calling it costs nothing, small enough to be done in milliseconds. */
const PRODUCT = { rows: 384, depth: 1024, columns: 1024 } as const;
/** Below, calling the runtime would be measured; above, nothing changes but the wait. */
const STREAM_BYTES_MIN = 1_048_576;
const STREAM_BYTES_MAX = 134_217_728;
const COPY_BYTES_MIN = 65_536;
const STREAM_DEPTH = 1024;
/** The best of so many runs, or as many as fit in the time: others use the machine as well. */
const RUNS_MIN = 5;
const RUNS_MAX = 60;
const TIME_MS = 200;
const WARM_UP_RUNS = 2;
const OPSET = 17n;
const IR_VERSION = 8n;
const SIGNED_LARGEST = 100;

/** Measures what the runtime reaches on this machine in the best case. Writes small models to the folder. */
export async function measurePeaks(options: PeakOptions): Promise<Peaks> {
  const { rows, depth, columns } = PRODUCT;
  const operations = 2 * rows * depth * columns;
  const floatMs = await bestOfModel('peak-float', floatProduct(), options);
  const byteMs = await bestOfModel('peak-byte', byteProduct(), options);
  const { workingSetBytes } = options;
  const streamBytes = clamp(workingSetBytes, STREAM_BYTES_MIN, STREAM_BYTES_MAX);
  const streamMs = await bestOfModel('peak-stream', stream(streamBytes), options);
  const copyBytes = clamp(workingSetBytes / 2, COPY_BYTES_MIN, STREAM_BYTES_MAX / 2);
  return {
    floatGflops: operations / floatMs / 1e6,
    byteGflops: operations / byteMs / 1e6,
    gigabytesPerSecond: Math.max(streamBytes / streamMs, bestCopy(copyBytes)) / 1e6,
    workingSetBytes,
  };
}

/** The better of two measurements: both are what the machine did. */
export function betterPeaks(a: Peaks, b: Peaks): Peaks {
  return {
    floatGflops: Math.max(a.floatGflops, b.floatGflops),
    byteGflops: Math.max(a.byteGflops, b.byteGflops),
    gigabytesPerSecond: Math.max(a.gigabytesPerSecond, b.gigabytesPerSecond),
    workingSetBytes: a.workingSetBytes,
  };
}

/** A model of one node, with what it is run on. */
interface Trial {
  readonly model: Model;
  readonly inputs: readonly (readonly [string, Tensor])[];
  readonly output: { readonly name: string; readonly type: DataType };
}

function floatProduct(): Trial {
  const { rows, depth, columns } = PRODUCT;
  const operator = 'MatMul';
  const constants = { w: randomFloats([depth, columns]) };
  const inputs = [['x', randomFloats([rows, depth])]] as const;
  return trial({ operator, inputs: ['x', 'w'], outputs: ['y'] }, { inputs, constants });
}

function byteProduct(): Trial {
  const { rows, depth, columns } = PRODUCT;
  const weights = randomFloats([depth, columns]).data as Float32Array;
  const signed = Int8Array.from(weights, (value) => value * SIGNED_LARGEST);
  const constants = { w: tensorOf('int8', [depth, columns], signed) };
  const x = tensorOf('uint8', [rows, depth], new Uint8Array(rows * depth).fill(SIGNED_LARGEST));
  const node = { operator: 'MatMulInteger', inputs: ['x', 'w'], outputs: ['y'] };
  return trial(node, { inputs: [['x', x]], constants, type: 'int32' });
}

/** The matrix comes as an input: a constant would be written to a file first. */
function stream(bytes: number): Trial {
  const columns = Math.round(bytes / Float32Array.BYTES_PER_ELEMENT / STREAM_DEPTH);
  const matrix = new Float32Array(STREAM_DEPTH * columns).fill(1);
  const inputs = [
    ['v', randomFloats([1, STREAM_DEPTH])],
    ['m', tensorOf('float32', [STREAM_DEPTH, columns], matrix)],
  ] as const;
  return trial({ operator: 'MatMul', inputs: ['v', 'm'], outputs: ['y'] }, { inputs });
}

interface TrialParts {
  readonly inputs: Trial['inputs'];
  readonly constants?: Readonly<Record<string, Tensor>>;
  readonly type?: DataType;
}

function trial(node: NodeParts, { inputs, constants = {}, type = 'float32' }: TrialParts): Trial {
  const model = plainModel({
    nodes: [createNode(node)],
    inputs: inputs.map(([name, tensor]) => ({ name, type: tensor.type, shape: tensor.shape })),
    outputs: [{ name: 'y', type, shape: [-1, -1] }],
    constants,
  });
  return { model, inputs, output: { name: 'y', type } };
}

interface ModelParts {
  readonly nodes: readonly ReturnType<typeof createNode>[];
  readonly inputs: readonly NamedTensorSpec[];
  readonly outputs: readonly NamedTensorSpec[];
  readonly constants?: Readonly<Record<string, Tensor>>;
}

/** A model of plain operators. */
export function plainModel({ nodes, inputs, outputs, constants = {} }: ModelParts): Model {
  const ends = (specs: readonly NamedTensorSpec[]) =>
    specs.map(({ name, type, shape }) => createValueInfo(name, type, shape));
  return {
    unknown: [],
    irVersion: IR_VERSION,
    opsetImports: [{ unknown: [], version: OPSET }],
    metadata: [],
    functions: [],
    graph: {
      unknown: [],
      name: 'measure',
      nodes,
      initializers: Object.entries(constants).map(([name, one]) => recordOfTensor(name, one)),
      sparseInitializers: [],
      inputs: ends(inputs),
      outputs: ends(outputs),
      valueInfos: [],
    },
  };
}

async function bestOfModel(
  name: string,
  { model, inputs, output }: Trial,
  { folder, threads }: PeakOptions,
): Promise<number> {
  const file = join(folder, `${name}.onnx`);
  await writeFile(file, encodeModel(model));
  const session = await openSession({
    file,
    providers: ['cpu'],
    intraOpThreads: threads,
    inputs: inputs.map(([input, { type, shape }]) => ({ name: input, type, shape })),
    outputs: [{ ...output, shape: [] }],
  });
  const parts = inputs.map(([, { shape, data }]): InputPart => {
    return { shape, buffer: data.buffer as ArrayBuffer, byteOffset: data.byteOffset };
  });
  for (let run = 0; run < WARM_UP_RUNS; run += 1) await session.run(parts);
  let best = Number.POSITIVE_INFINITY;
  const end = performance.now() + TIME_MS;
  for (let run = 0; run < RUNS_MIN || (run < RUNS_MAX && performance.now() < end); run += 1) {
    const start = performance.now();
    await session.run(parts);
    best = Math.min(best, performance.now() - start);
  }
  await session.release();
  return best;
}

/** Bytes a millisecond, read and written both counted. */
function bestCopy(bytes: number): number {
  const from = new Float64Array(Math.ceil(bytes / Float64Array.BYTES_PER_ELEMENT)).fill(1);
  const to = new Float64Array(from.length);
  let best = Number.POSITIVE_INFINITY;
  const end = performance.now() + TIME_MS / 2;
  for (let run = 0; run < RUNS_MIN || performance.now() < end; run += 1) {
    const start = performance.now();
    to.set(from);
    best = Math.min(best, performance.now() - start);
  }
  return (2 * from.byteLength) / best;
}

function randomFloats(shape: readonly number[]): Tensor {
  const random = randomOf(1);
  const data = Float32Array.from({ length: elementCount(shape) }, () => random() - 0.5);
  return tensorOf('float32', shape, data);
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}
