import { subgraphsOf } from './graph.ts';
import type { ModelProblem } from './inspect.ts';
import type { Graph, Node } from './proto.ts';

/** The names of the graphs around a subgraph. */
interface Scope {
  /** Whether a name can be read from inside. */
  readonly defines: (name: string) => boolean;
  /** Whether it was defined before the node that runs the subgraph. */
  readonly definesBefore: (name: string) => boolean;
}

const NOTHING_AROUND: Scope = { defines: () => false, definesBefore: () => false };

/**
 * Names that are defined twice or never, and nodes that wait for themselves. Nodes need not be sorted:
 * onnxruntime sorts them. A subgraph must not define again what was there before it.
 */
export function checkNames(graph: Graph, outer = NOTHING_AROUND): ModelProblem[] {
  const problems: ModelProblem[] = [];
  const starts = namesAtStart(graph, problems);
  const defined = new Set(starts);
  for (const name of graph.nodes.flatMap(({ outputs }) => outputs)) {
    if (name === '') continue;
    if (defined.has(name) || outer.definesBefore(name)) {
      problems.push({ where: name, message: 'the output of a node has a name taken' });
    }
    defined.add(name);
  }
  const before = new Set(starts);
  const scope: Scope = {
    defines: (name) => defined.has(name) || outer.defines(name),
    definesBefore: (name) => before.has(name) || outer.definesBefore(name),
  };
  for (const node of graph.nodes) {
    for (const name of node.inputs) {
      if (name !== '' && !scope.defines(name)) {
        problems.push({ where: placeOf(node), message: `its input "${name}" is not defined` });
      }
    }
    for (const inner of subgraphsOf(node)) {
      for (const one of checkNames(inner, scope)) problems.push(one);
    }
    for (const name of node.outputs) before.add(name);
  }
  for (const { name } of graph.outputs) {
    if (!defined.has(name ?? '')) {
      problems.push({ where: name ?? '', message: 'the output is not defined in its graph' });
    }
  }
  return [...problems, ...checkCycles(graph.nodes)];
}

/** Inputs and initialisers: an initialiser may have the name of an input, which is then optional. */
function namesAtStart(graph: Graph, problems: ModelProblem[]): Set<string> {
  const names = new Set<string>();
  for (const { name = '' } of graph.inputs) {
    if (names.has(name)) problems.push({ where: name, message: 'the input has a name taken' });
    names.add(name);
  }
  const constants = graph.initializers.map(({ name = '' }) => name);
  if (new Set(constants).size < constants.length) {
    problems.push({ where: 'initialisers', message: 'two of them have the same name' });
  }
  for (const name of constants) names.add(name);
  return names;
}

/** A node as a report names it. */
export function placeOf(node: Node): string {
  return node.name !== undefined && node.name !== '' ? node.name : (node.operator ?? '');
}

/** Takes away nodes all of whose inputs are there; what cannot be taken away waits for itself. */
function checkCycles(nodes: readonly Node[]): ModelProblem[] {
  const makers = new Map<string, number>();
  for (const [index, { outputs }] of nodes.entries()) {
    for (const name of outputs) if (name !== '') makers.set(name, index);
  }
  const waiting = nodes.map(() => 0);
  const users = nodes.map((): number[] => []);
  for (const [index, node] of nodes.entries()) {
    for (const name of readsOf(node)) {
      const maker = makers.get(name);
      if (maker === undefined) continue;
      users[maker]!.push(index);
      waiting[index]! += 1;
    }
  }
  const ready = nodes.map((_, index) => index).filter((index) => waiting[index] === 0);
  for (let next = ready.pop(); next !== undefined; next = ready.pop()) {
    for (const user of users[next]!) {
      waiting[user]! -= 1;
      if (waiting[user] === 0) ready.push(user);
    }
  }
  const stuck = waiting.findIndex((count) => count > 0);
  if (stuck < 0) return [];
  return [{ where: placeOf(nodes[stuck]!), message: 'the nodes wait for each other in a circle' }];
}

/** Every name a node reads, those that its subgraphs take from outside included. */
export function readsOf(node: Node): Set<string> {
  const names = new Set(node.inputs);
  for (const graph of subgraphsOf(node)) {
    const own = new Set<string | undefined>([
      ...[...graph.inputs, ...graph.initializers].map(({ name }) => name),
      ...graph.nodes.flatMap(({ outputs }) => outputs),
    ]);
    for (const inner of graph.nodes) {
      for (const name of readsOf(inner)) if (!own.has(name)) names.add(name);
    }
  }
  return names;
}
