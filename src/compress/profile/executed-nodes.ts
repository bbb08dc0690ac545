import { subgraphsOf } from '../../onnx/graph.ts';
import { readsOf } from '../../onnx/names.ts';
import type { Graph, Node } from '../../onnx/proto.ts';
import type { TraceCall, TraceRun } from './trace.ts';

/** A node as the runtime runs it, and what of the file it stands for. */
export interface ExecutedNode {
  /** The name in the file; for a node the runtime made, its name there. */
  readonly name: string;
  readonly operator: string;
  /** Names of the file's nodes it does the work of; empty where the runtime put it in. */
  readonly from: readonly string[];
  /** Operators of those, in their order: `Conv+Relu`. */
  readonly does: string;
  /** The node of the optimised graph; undefined where the trace could not be matched to it. */
  readonly node: Node | undefined;
  /** How many graphs of other nodes it is in: 0 for those of the model's own graph. */
  readonly depth: number;
  /** Its first call of the run that was looked at. */
  readonly call: TraceCall;
  readonly key: CallKey;
}

/** What calls of the same node have in common, in every run and every turn of a loop. */
export type CallKey = string;

/** A fused node is not followed back further than this: attention is some thirty nodes. */
const FUSED_MAX = 64;
/** The runtime names a node in its blocked layout after the value it makes. */
const BLOCKED = /_nchwc(_token_\d+)?$/;
/** And a value whose type it changed after the one it stands for. */
const CHANGED_TYPE = /^InsertedPrecisionFreeCast_/;
/** A name for more operators than this says nothing. */
const OPERATORS_TOLD = 5;

/** A node without a name is called by what it makes. */
function nameOf(node: Node): string {
  return node.name || (node.outputs.find((name) => name !== '') ?? '');
}

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

type Origin = Omit<ExecutedNode, 'depth' | 'call' | 'key'>;

interface Origins {
  of(node: Node | undefined, call: TraceCall): Origin;
}

function createOrigins(file: Graph, optimised: Graph | undefined): Origins {
  const fileNodes = [...withInner(file.nodes)];
  const makers = new Map<string, Node>();
  for (const node of fileNodes) for (const name of node.outputs) makers.set(name, node);
  const named = new Map(fileNodes.filter(({ name }) => name).map((node) => [node.name, node]));
  const made = new Set<string>();
  for (const node of withInner(optimised?.nodes ?? []))
    for (const name of outputsOf(node)) made.add(name);
  return {
    of(node, call) {
      const { operator } = call;
      const known = node === undefined ? named.get(call.name) : undefined;
      const found = node === undefined ? [] : behind(node, { makers, made, named });
      const from = known === undefined ? found : [known];
      const main = mainOf(from, operator);
      return {
        name: main === undefined ? call.name : nameOf(main),
        operator,
        from: from.map(nameOf),
        does: operatorsOf(from) || operator,
        node,
      };
    },
  };
}

function operatorsOf(nodes: readonly Node[]): string {
  const names = [...new Set(nodes.map(({ operator = '' }) => operator))];
  const told = names.slice(0, OPERATORS_TOLD).join('+');
  return names.length > OPERATORS_TOLD ? `${told}+...` : told;
}

function* withInner(nodes: readonly Node[]): Generator<Node> {
  for (const node of nodes) {
    yield node;
    for (const graph of subgraphsOf(node)) yield* withInner(graph.nodes);
  }
}

/** The values a node makes, by their names in the file. */
function outputsOf(node: Node): readonly string[] {
  const name = node.name ?? '';
  const values = BLOCKED.test(name)
    ? [name.replace(BLOCKED, ''), ...node.outputs]
    : [...node.outputs];
  return values.map((value) => value.replace(CHANGED_TYPE, ''));
}

interface Names {
  readonly makers: ReadonlyMap<string, Node>;
  readonly made: ReadonlySet<string>;
  readonly named: ReadonlyMap<string | undefined, Node>;
}

/** The file's nodes between what a node makes and what other nodes of the optimised graph make. */
function behind(node: Node, { makers, made, named }: Names): readonly Node[] {
  const own = new Set(outputsOf(node));
  const found = new Set<Node>();
  const waiting = [...own];
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    const maker = makers.get(name);
    if (maker === undefined || found.has(maker) || found.size >= FUSED_MAX) continue;
    if (maker.operator === 'Constant') continue;
    found.add(maker);
    // What other nodes make ends the way back; so do the file's inputs and constants, which none makes.
    for (const read of readsOf(maker)) if (!made.has(read)) waiting.push(read);
  }
  if (found.size > 0) return [...found].reverse();
  const same = named.get(node.name ?? '');
  return same === undefined ? [] : [same];
}

/** Of several nodes the one with the operator that runs them, else the one whose output is theirs. */
function mainOf(nodes: readonly Node[], operator: string): Node | undefined {
  const plain = operator.replace(/^Fused/, '');
  return nodes.find((node) => node.operator === plain) ?? nodes.at(-1);
}
