import { attributeOf, subgraphsOf } from '../../onnx/graph.ts';
import { readsOf } from '../../onnx/names.ts';
import type { Graph, Node } from '../../onnx/proto.ts';
import type { TraceCall } from './trace.ts';

/** A node as the runtime runs it, and what of the file it stands for. */
export interface Origin {
  /** The name in the file; for a node the runtime made, its name there. */
  readonly name: string;
  readonly operator: string;
  /** Names of the file's nodes it does the work of; empty where the runtime put it in. */
  readonly from: readonly string[];
  /** Operators of those, in their order: `Conv+Relu`. */
  readonly does: string;
  /** The node of the optimised graph; undefined where the trace could not be matched to it. */
  readonly node: Node | undefined;
}

/** A fused node is not followed back further than this: attention is some thirty nodes. */
const FUSED_MAX = 64;
/** The runtime names a node in its blocked layout after the value it makes. */
const BLOCKED = /(_bn)?_nchwc(_token_\d+)?$/;
/** And what it made of a node and a sum after that node. */
const FUSION = /\/\w+Fusion(_token_\d+)?$/;
/** And a value whose type it changed after the one it stands for. */
const CHANGED_TYPE = /^InsertedPrecisionFreeCast_/;
/** A sum that is done with the convolution is its fourth input. */
const SUMMAND_INPUT = 3;
const TAKES_ADDED = new Set(['Conv', 'FusedConv', 'FusedGemm']);
const decoder = new TextDecoder();
/** A name for more operators than this says nothing. */
const OPERATORS_TOLD = 5;

/** A node without a name is called by what it makes. */
function nameOf(node: Node): string {
  return node.name || (node.outputs.find((name) => name !== '') ?? '');
}

export interface Origins {
  of(node: Node | undefined, call: TraceCall): Origin;
}

/** Finds what each node of the optimised graph stands for, by the values that it makes and reads. */
export function createOrigins(file: Graph, optimised: Graph | undefined): Origins {
  const fileNodes = [...withInner(file.nodes)];
  const run = [...withInner(optimised?.nodes ?? [])];
  const names: Names = {
    makers: new Map(fileNodes.flatMap((node) => node.outputs.map((name) => [name, node]))),
    made: new Set(run.flatMap(outputsOf)),
    named: new Map(fileNodes.filter(({ name }) => name).map((node) => [node.name, node])),
  };
  const found = new Map(run.map((node) => [node, behind(node, names)]));
  const times = new Map<Node, number>();
  for (const one of [...found.values()].flat()) times.set(one, (times.get(one) ?? 0) + 1);

  /** What is behind several nodes was done before all of them, by one whose value has another name now. */
  function ownOf(node: Node): readonly Node[] {
    const all = found.get(node) ?? [];
    const own = all.filter((one) => times.get(one) === 1);
    return own.length > 0 ? own : all;
  }

  return {
    of(node, call) {
      const { operator } = call;
      const known = node === undefined ? names.named.get(call.name) : undefined;
      const from = node !== undefined ? ownOf(node) : known === undefined ? [] : [known];
      const main = mainOf(from, operator);
      return {
        name: (main && nameOf(main)) || call.name,
        operator,
        from: from.map(nameOf),
        does: operatorsOf([...from.map((one) => one.operator ?? ''), ...addedTo(node)]) || operator,
        node,
      };
    },
  };
}

/** What a convolution or product does besides, when the runtime put it in as an input or attribute. */
function addedTo(node: Node | undefined): readonly string[] {
  if (node === undefined || !TAKES_ADDED.has(node.operator ?? '')) return [];
  const bytes = attributeOf(node, 'activation')?.bytes;
  const activation = bytes === undefined ? '' : decoder.decode(bytes);
  const sum = (node.inputs[SUMMAND_INPUT] ?? '') === '' ? [] : ['Add'];
  return activation === '' ? sum : [...sum, activation];
}

function operatorsOf(operators: readonly string[]): string {
  const names = [...new Set(operators)];
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
  const same = named.get(node.name ?? '') ?? named.get(node.name?.replace(FUSION, ''));
  return same === undefined ? [] : [same];
}

/** Of several nodes the one with the operator that runs them, else the one whose output is theirs. */
function mainOf(nodes: readonly Node[], operator: string): Node | undefined {
  const plain = operator.replace(/^Fused/, '');
  return nodes.find((node) => node.operator === plain) ?? nodes.at(-1);
}
