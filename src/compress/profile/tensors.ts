import { subgraphsOf, tensorBytes } from '../../onnx/graph.ts';
import type { Graph, TensorRecord } from '../../onnx/proto.ts';
import { elementBytes, elementCount } from '../../tensor/tensor.ts';
import type { SampleFile } from '../sample-file.ts';
import type { ExecutedNode } from './executed-nodes.ts';
import type { TracedTensor } from './trace.ts';

/** What is known of a value: its size in this run. */
export interface KnownTensor {
  readonly shape: readonly number[];
  readonly bytes: number;
  readonly kind: 'weight' | 'input' | 'activation';
}

export type KnownTensors = ReadonlyMap<string, KnownTensor>;

/** Bits of the runtime's element types; others count as a byte. */
const BITS: Readonly<Record<string, number>> = {
  float: 32,
  float16: 16,
  bfloat16: 16,
  double: 64,
  int64: 64,
  uint64: 64,
  int32: 32,
  uint32: 32,
  int16: 16,
  uint16: 16,
};
const BITS_OF_OTHERS = 8;

/** Bytes of a tensor that the trace tells of. */
export function tracedBytes({ type, shape }: TracedTensor): number {
  return (elementCount(shape) * (BITS[type] ?? BITS_OF_OTHERS)) / 8;
}

export interface TensorSources {
  readonly graph: Graph | undefined;
  readonly sample: SampleFile;
  readonly executed: readonly ExecutedNode[];
}

/** Gathers what is known of every value: constants, inputs, and what nodes made in one run. */
export function knownTensors({ graph, sample, executed }: TensorSources): KnownTensors {
  const known = new Map<string, KnownTensor>();
  if (graph !== undefined) for (const one of constantsWithin(graph)) addConstant(known, one);
  for (const { name, type, shape } of sample.inputs) {
    const bytes = elementCount(shape) * elementBytes(type);
    known.set(name, { shape, bytes, kind: 'input' });
  }
  for (const { node, call } of executed) {
    const made = node?.outputs.filter((name) => name !== '') ?? [];
    const { outputs } = call;
    // Outputs that are no tensors are not told of: without all, it is not known which are which.
    if (made.length !== outputs.length) continue;
    for (const [index, traced] of outputs.entries()) {
      const { shape } = traced;
      known.set(made[index]!, { shape, bytes: tracedBytes(traced), kind: 'activation' });
    }
  }
  return known;
}

function addConstant(known: Map<string, KnownTensor>, record: TensorRecord): void {
  const bytes = tensorBytes(record) ?? 0;
  known.set(record.name ?? '', { shape: record.dims.map(Number), bytes, kind: 'weight' });
}

function* constantsWithin(graph: Graph): Generator<TensorRecord> {
  yield* graph.initializers;
  for (const node of graph.nodes) for (const one of subgraphsOf(node)) yield* constantsWithin(one);
}
