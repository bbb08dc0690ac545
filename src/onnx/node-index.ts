import { readsOf } from './names.ts';
import type { Node } from './proto.ts';

/** Nodes by what they make and read; those within a node's subgraphs count as its reads. */
export interface NodeIndex {
  readonly nodes: ReadonlySet<Node>;
  /** Whether any node came or went since the start. */
  changed(): boolean;
  makerOf(name: string): Node | undefined;
  readersOf(name: string): readonly Node[];
  add(node: Node): void;
  remove(node: Node): void;
  /** Each node after those it reads from, otherwise in the order of adding. */
  sorted(): readonly Node[];
}

/** Indexes nodes that come and go. */
export function createNodeIndex(start: readonly Node[]): NodeIndex {
  const nodes = new Set<Node>();
  const makers = new Map<string, Node>();
  const readers = new Map<string, Set<Node>>();
  const reads = new Map<Node, ReadonlySet<string>>();
  let changed = false;

  const index: NodeIndex = {
    nodes,
    changed: () => changed,
    makerOf: (name) => makers.get(name),
    readersOf: (name) => [...(readers.get(name) ?? [])],
    add(node) {
      nodes.add(node);
      for (const name of node.outputs) if (name !== '') makers.set(name, node);
      const names = readsOf(node);
      reads.set(node, names);
      for (const name of names) {
        if (name === '') continue;
        const known = readers.get(name);
        if (known === undefined) readers.set(name, new Set([node]));
        else known.add(node);
      }
      changed = true;
    },
    remove(node) {
      nodes.delete(node);
      for (const name of node.outputs) if (makers.get(name) === node) makers.delete(name);
      for (const name of reads.get(node) ?? []) readers.get(name)?.delete(node);
      reads.delete(node);
      changed = true;
    },
    sorted: () => sortNodes(nodes, (node) => [...(reads.get(node) ?? [])].map(index.makerOf)),
  };
  for (const node of start) index.add(node);
  changed = false;
  return index;
}

/** Depth first, by a stack of its own: a graph of 50,000 nodes may be one chain. */
function sortNodes(
  nodes: Iterable<Node>,
  makersOf: (node: Node) => readonly (Node | undefined)[],
): readonly Node[] {
  const sorted = new Set<Node>();
  const open = new Set<Node>();
  for (const start of nodes) {
    const stack = [start];
    for (let node = stack.at(-1); node !== undefined; node = stack.at(-1)) {
      const before = open.has(node) ? [] : makersOf(node);
      open.add(node);
      // What is open already is either done or waits for this one, in a circle.
      const fresh = before.filter((one) => one !== undefined && !open.has(one)) as Node[];
      if (fresh.length > 0) {
        stack.push(...fresh);
        continue;
      }
      stack.pop();
      sorted.add(node);
    }
  }
  return [...sorted];
}
