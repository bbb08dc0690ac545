import { constantsOf, tensorBytes } from '../../onnx/graph.ts';
import type { Graph, Model } from '../../onnx/proto.ts';
import type { SampleFile } from '../sample-file.ts';
import { type ExecutedNode, matchCalls } from './executed-nodes.ts';
import { measureActivations } from './memory.ts';
import type { Peaks } from './peaks.ts';
import type { ProfileAnswer } from './probe-protocol.ts';
import type {
  Bound,
  LargeTensor,
  MemoryProfile,
  NodeProfile,
  OperatorProfile,
  Profile,
  Rate,
} from './profile.ts';
import { type KnownTensor, type KnownTensors, knownTensors, tracedBytes } from './tensors.ts';
import { type RunTiming, spreadOf, timeRuns } from './timing.ts';
import type { TracedTensor, TraceRun } from './trace.ts';
import { judge } from './verdict.ts';
import { workOf } from './work.ts';

export interface FigureParts {
  readonly model: string;
  readonly threads: number;
  readonly answer: ProfileAnswer;
  readonly runs: readonly TraceRun[];
  /** The model as the file has it; admitted, so it has a graph. */
  readonly source: Model;
  readonly optimised: Graph | undefined;
  readonly sample: SampleFile;
  readonly samples: Profile['samples'];
  readonly weightBytes: number;
}

/** Below this part of its roof a node is held by neither arithmetic nor memory. */
const ROOF_SHARE_MIN = 0.25;
/** To be called costs a node a few microseconds, never as many as this. */
const CALL_MS_MAX = 0.02;
/** A shorter time is mostly the clock's step of a microsecond. */
const TIMED_MS_MIN = 0.005;
/** The largest few say where the room goes. */
const LARGEST_TOLD = 10;

/** Puts times, shapes and what the machine can do together. */
export function figuresOf(parts: FigureParts): Profile {
  const { answer, runs, optimised, sample } = parts;
  const last = runs.at(-1) ?? { startUs: 0, tookUs: 0, calls: [] };
  const executed = matchCalls(last, optimised, parts.source.graph!);
  const known = knownTensors({ graph: optimised, sample, executed });
  const timing = timeRuns(runs, answer.overhead);
  const totalMs = sum(executed, ({ key }) => timing.nodes.get(key)?.ms ?? 0) + timing.betweenMs;
  const worked = executed.map((one) => workNode(one, { known, timing, totalMs }));
  const machine = raisePeaks(answer.peaks, worked);
  const nodes = worked.map((one): NodeProfile => ({ ...one, ...roofOf(one, machine) }));
  const operators = groupByOperator(nodes);
  const run = spreadOf(answer.runMs);
  const betweenShare = totalMs > 0 ? timing.betweenMs / totalMs : 0;
  return {
    model: parts.model,
    threads: parts.threads,
    samples: parts.samples,
    loadMs: answer.loadMs,
    run: { ...run, runs: answer.runMs.length },
    tracedRuns: runs.length,
    nodesMs: totalMs - timing.betweenMs,
    betweenMs: timing.betweenMs,
    betweenShare,
    total: rateOf(nodes, totalMs),
    operators,
    nodes,
    memory: memoryOf(parts, { executed, known }),
    machine,
    verdict: judge({ nodes, operators, betweenShare, totalMs }),
  };
}

interface Measured {
  readonly known: KnownTensors;
  readonly timing: RunTiming;
  readonly totalMs: number;
}

type WorkedNode = Omit<NodeProfile, 'bound' | 'roofShare'>;

function workNode(one: ExecutedNode, { known, timing, totalMs }: Measured): WorkedNode {
  const took = timing.nodes.get(one.key) ?? { calls: 1, ms: 0, lowMs: 0, highMs: 0 };
  const work = workOf({
    operator: one.operator,
    node: one.node,
    inputs: tensorsOf(one.node?.inputs, one.call.inputs, known),
    outputs: tensorsOf(one.node?.outputs, one.call.outputs, known),
  });
  const { calls, ms } = took;
  const operations = work.operations * calls;
  const bytes = work.bytes * calls;
  const { name, operator, from, does } = one;
  return {
    name,
    operator,
    from,
    does,
    ...took,
    share: totalMs > 0 ? ms / totalMs : 0,
    operations,
    bytes,
    weightBytes: work.weightBytes * calls,
    ...speeds(operations, bytes, ms),
    inBytes: work.inBytes,
  };
}

/** By name where the graph tells it; otherwise as the trace has them, in its order. */
function tensorsOf(
  names: readonly string[] | undefined,
  traced: readonly TracedTensor[],
  known: KnownTensors,
): readonly (KnownTensor | undefined)[] {
  if (names !== undefined) return names.map((name) => known.get(name));
  return traced.map((one) => ({ shape: one.shape, bytes: tracedBytes(one), kind: 'activation' }));
}

/** What a node of the model did, the machine can: a busy machine's peaks were measured too low. */
function raisePeaks(peaks: Peaks, nodes: readonly WorkedNode[]): Peaks {
  const best = (inBytes: boolean) =>
    nodes
      .filter((node) => node.inBytes === inBytes && node.ms >= TIMED_MS_MIN)
      .reduce((most, { gflops }) => Math.max(most, gflops), 0);
  return {
    ...peaks,
    floatGflops: Math.max(peaks.floatGflops, best(false)),
    byteGflops: Math.max(peaks.byteGflops, best(true)),
  };
}

function roofOf(node: WorkedNode, peaks: Peaks): { bound: Bound; roofShare: number } {
  const { operations, bytes, inBytes, ms, calls } = node;
  const computeMs = operations / (inBytes ? peaks.byteGflops : peaks.floatGflops) / 1e6;
  const memoryMs = bytes / peaks.gigabytesPerSecond / 1e6;
  // A value that is still in a cache is read faster than memory is.
  const roofShare = ms > 0 ? Math.min(1, Math.max(computeMs, memoryMs) / ms) : 0;
  if (roofShare < ROOF_SHARE_MIN) {
    return { bound: ms / Math.max(1, calls) < CALL_MS_MAX ? 'overhead' : 'kernel', roofShare };
  }
  return { bound: computeMs >= memoryMs ? 'compute' : 'memory', roofShare };
}

function speeds(operations: number, bytes: number, ms: number) {
  return {
    gflops: ms > 0 ? operations / ms / 1e6 : 0,
    gigabytesPerSecond: ms > 0 ? bytes / ms / 1e6 : 0,
  };
}

function rateOf(nodes: readonly NodeProfile[], ms: number): Rate {
  const operations = sum(nodes, (node) => node.operations);
  const bytes = sum(nodes, (node) => node.bytes);
  const weightBytes = sum(nodes, (node) => node.weightBytes);
  return { operations, bytes, weightBytes, ...speeds(operations, bytes, ms) };
}

function groupByOperator(nodes: readonly NodeProfile[]): readonly OperatorProfile[] {
  const groups = new Map<string, NodeProfile[]>();
  for (const node of nodes) {
    const group = groups.get(node.operator);
    if (group === undefined) groups.set(node.operator, [node]);
    else group.push(node);
  }
  return [...groups]
    .map(([operator, list]) => {
      const ms = sum(list, (node) => node.ms);
      const calls = sum(list, (node) => node.calls);
      const share = sum(list, (node) => node.share);
      return { operator, nodes: list.length, calls, ms, share, ...rateOf(list, ms) };
    })
    .sort((a, b) => b.ms - a.ms);
}

function memoryOf(
  { answer, runs, source, weightBytes }: FigureParts,
  { executed, known }: { readonly executed: readonly ExecutedNode[]; readonly known: KnownTensors },
): MemoryProfile {
  const outputs = source.graph!.outputs.map(({ name = '' }) => name);
  const calls = runs.at(-1)?.calls ?? [];
  return {
    weightBytes,
    activations: measureActivations(executed, known, outputs),
    arenaBytes: Math.max(0, ...calls.map((call) => call.arenaBytes)),
    loadedBytes: answer.loadedBytes,
    residentBytes: answer.residentBytes,
    peakBytes: answer.peakBytes,
    largest: largestOf(source, executed, known),
  };
}

/** Weights by their names in the file, values by the node that makes them. */
function largestOf(
  model: Model,
  executed: readonly ExecutedNode[],
  known: KnownTensors,
): readonly LargeTensor[] {
  const weights = [...constantsOf(model)].map((one): LargeTensor => {
    const shape = one.dims.map(Number);
    return { name: one.name ?? '', kind: 'weight', shape, bytes: tensorBytes(one) ?? 0 };
  });
  const values = executed.flatMap(({ node, name }): LargeTensor[] => {
    const made = (node?.outputs ?? []).flatMap((output) => known.get(output) ?? []);
    return made.map(({ shape, bytes }) => ({ name, kind: 'activation', shape, bytes }));
  });
  return [...weights, ...values].sort((a, b) => b.bytes - a.bytes).slice(0, LARGEST_TOLD);
}

function sum<T>(list: readonly T[], of: (one: T) => number): number {
  return list.reduce((total, one) => total + of(one), 0);
}
