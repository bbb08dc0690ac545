import { subgraphsOf } from '../../onnx/graph.ts';
import type { Graph, Node } from '../../onnx/proto.ts';
import { createOrigins, type Origin, type Origins } from './node-origins.ts';
import type { TraceCall, TraceRun } from './trace.ts';

/** A node that ran, with its first call. */
export interface ExecutedNode extends Origin {
  /** How many graphs of other nodes it is in: 0 for those of the model's own graph. */
  readonly depth: number;
  /** Its first call of the run that was looked at. */
  readonly call: TraceCall;
  readonly key: CallKey;
}

/** What calls of the same node have in common, in every run and every turn of a loop. */
export type CallKey = string;

/** The key of a call within the node of another key; '' for those of the model's own graph. */
export function keyOf(call: TraceCall, within: CallKey): CallKey {
  return `${within}\n${call.index}\t${call.name}`;
}

/** Finds for each node that ran its node in the optimised graph, and those of the file behind it. */
export function matchCalls(
  run: TraceRun,
  optimised: Graph | undefined,
  file: Graph,
): readonly ExecutedNode[] {
  const origins = createOrigins(file, optimised);
  const found = new Map<CallKey, ExecutedNode>();
  matchLevel(run.calls, optimised?.nodes ?? [], { origins, depth: 0, within: '', found });
  return [...found.values()];
}

interface Level {
  readonly origins: Origins;
  readonly depth: number;
  readonly within: CallKey;
  readonly found: Map<CallKey, ExecutedNode>;
}

function matchLevel(calls: readonly TraceCall[], nodes: readonly Node[], level: Level): void {
  const { origins, depth, within, found } = level;
  // The runtime writes its graph in the order in which it runs it; a loop, turn by turn.
  const nodeAt = (at: number) => nodes[at % nodes.length];
  const whole = nodes.length > 0 && calls.length % nodes.length === 0;
  const same = whole && calls.every(({ operator }, at) => nodeAt(at)?.operator === operator);
  const byName = new Map(nodes.map((node) => [node.name ?? '', node]));
  for (const [at, call] of calls.entries()) {
    const node = same ? nodeAt(at) : namedNode(byName, call);
    const key = keyOf(call, within);
    if (!found.has(key)) found.set(key, { ...origins.of(node, call), depth, call, key });
    const inner = node === undefined ? [] : subgraphsOf(node).flatMap((graph) => graph.nodes);
    matchLevel(call.inner, inner, { origins, depth: depth + 1, within: key, found });
  }
}

function namedNode(byName: ReadonlyMap<string, Node>, call: TraceCall): Node | undefined {
  const node = byName.get(call.name);
  return node?.operator === call.operator ? node : undefined;
}
