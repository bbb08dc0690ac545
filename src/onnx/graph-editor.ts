import type { Tensor } from '../tensor/tensor.ts';
import { recordOfTensor } from './constant.ts';
import { attributeOf } from './graph.ts';
import { readsOf } from './names.ts';
import { renameReads } from './names-within.ts';
import type { Graph, Node, TensorRecord, ValueInfo } from './proto.ts';

/** What a graph sees of the graphs around it, and the names that are taken in the whole model. */
export interface Scope {
  /** A constant of a graph around this one. */
  readonly constantOf: (name: string) => TensorRecord | undefined;
  /** Every name of the model: new ones are added. */
  readonly taken: Set<string>;
}

/**
 * A graph under change, indexed by who makes and who reads each value. Nodes are values: one is
 * changed by putting another in its place. Readers within subgraphs count as readers.
 */
export interface GraphEditor {
  /** The nodes as they are now: one replaced on the way is not given, its successors come last. */
  nodes(): Iterable<Node>;
  makerOf(name: string): Node | undefined;
  readersOf(name: string): readonly Node[];
  isOutput(name: string): boolean;
  isInput(name: string): boolean;
  /** The only node that reads a value, where there is exactly one and it is no output. */
  onlyReaderOf(name: string): Node | undefined;
  /** An initialiser or the value of a Constant node, of this graph or one around it. */
  constantOf(name: string): TensorRecord | undefined;
  /** Adds an initialiser and gives its name: the wanted one, with a number where it is taken. */
  addConstant(wanted: string, tensor: Tensor | TensorRecord): string;
  freshName(wanted: string): string;
  add(...nodes: readonly Node[]): void;
  remove(...nodes: readonly Node[]): void;
  replace(old: Node, ...next: readonly Node[]): void;
  /** Makes every reader of one value read another; false where an output's name forbids it. */
  redirect(from: string, to: string): boolean;
  /** What is known of a value's type, from inputs, outputs and value infos. */
  infoOf(name: string): ValueInfo | undefined;
  initializers(): readonly TensorRecord[];
  removeInitializers(gone: ReadonlySet<TensorRecord>): void;
  /** Takes away nodes, constants and value infos that nothing needs; gives how many nodes. */
  sweep(): number;
  /** The graph as it is now, its nodes sorted; the old one where nothing changed. */
  finish(): Graph;
}

/** Opens a graph for change. */
export function createGraphEditor(graph: Graph, scope: Scope): GraphEditor {
  const nodes = new Set<Node>(graph.nodes);
  const makers = new Map<string, Node>();
  const readers = new Map<string, Set<Node>>();
  const reads = new Map<Node, ReadonlySet<string>>();
  const constants = new Map(graph.initializers.map((one) => [one.name ?? '', one]));
  const outputs = new Set(graph.outputs.map(({ name }) => name ?? ''));
  const inputs = new Set(graph.inputs.map(({ name }) => name ?? ''));
  const infos = new Map(
    [...graph.valueInfos, ...graph.inputs, ...graph.outputs].map((one) => [one.name ?? '', one]),
  );
  let changed = false;

  function index(node: Node): void {
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
  }

  function forget(node: Node): void {
    nodes.delete(node);
    for (const name of node.outputs) if (makers.get(name) === node) makers.delete(name);
    for (const name of reads.get(node) ?? []) readers.get(name)?.delete(node);
    reads.delete(node);
    changed = true;
  }

  for (const node of graph.nodes) index(node);

  const editor: GraphEditor = {
    nodes: () => nodes,
    makerOf: (name) => makers.get(name),
    readersOf: (name) => [...(readers.get(name) ?? [])],
    isOutput: (name) => outputs.has(name),
    isInput: (name) => inputs.has(name),
    onlyReaderOf(name) {
      const [first, second] = editor.readersOf(name);
      return second === undefined && !outputs.has(name) ? first : undefined;
    },
    constantOf(name) {
      if (name === '') return undefined;
      const maker = makers.get(name);
      if (maker !== undefined) return valueOfConstant(maker);
      return constants.get(name) ?? (inputs.has(name) ? undefined : scope.constantOf(name));
    },
    addConstant(wanted, tensor) {
      const name = editor.freshName(wanted);
      const record = 'kind' in tensor ? recordOfTensor(name, tensor) : { ...tensor, name };
      constants.set(name, record);
      changed = true;
      return name;
    },
    freshName(wanted) {
      let name = wanted;
      for (let at = 1; scope.taken.has(name); at += 1) name = `${wanted}_${at}`;
      scope.taken.add(name);
      return name;
    },
    add(...added) {
      for (const node of added) index(node);
      changed ||= added.length > 0;
    },
    remove(...gone) {
      for (const node of gone) forget(node);
    },
    replace(old, ...next) {
      forget(old);
      for (const node of next) index(node);
    },
    redirect(from, to) {
      if (outputs.has(from)) {
        const maker = makers.get(to);
        if (maker === undefined || outputs.has(to)) return false;
        // The output keeps its name: the node that makes the other value takes it.
        const old = makers.get(from);
        if (old !== undefined) forget(old);
        const renamed = maker.outputs.map((name) => (name === to ? from : name));
        editor.replace(maker, { ...maker, outputs: renamed });
        for (const node of editor.readersOf(to)) editor.replace(node, renameReads(node, to, from));
        return true;
      }
      for (const node of editor.readersOf(from)) {
        editor.replace(node, renameReads(node, from, to));
      }
      return true;
    },
    infoOf: (name) => infos.get(name),
    initializers: () => [...constants.values()],
    removeInitializers(gone) {
      for (const one of gone) constants.delete(one.name ?? '');
      changed ||= gone.size > 0;
    },
    sweep() {
      let swept = 0;
      for (const node of [...nodes].reverse()) swept += sweepFrom(node, editor);
      for (const name of [...constants.keys()]) {
        if (editor.readersOf(name).length > 0 || outputs.has(name) || inputs.has(name)) continue;
        constants.delete(name);
        changed = true;
      }
      return swept;
    },
    finish() {
      if (!changed) return graph;
      const sorted = sortNodes([...nodes], editor, reads);
      const known = (name: string) => makers.has(name);
      const initializers = [...constants.values()];
      const valueInfos = graph.valueInfos.filter(({ name }) => known(name ?? ''));
      return { ...graph, nodes: sorted, initializers, valueInfos };
    },
  };
  return editor;
}

/** Removes a node that nothing reads, and then those that only it read. */
function sweepFrom(start: Node, editor: GraphEditor): number {
  const waiting = [start];
  let swept = 0;
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    const needed = node.outputs.some(
      (name) => name !== '' && (editor.isOutput(name) || editor.readersOf(name).length > 0),
    );
    const first = node.outputs.find((name) => name !== '');
    // A node may have been removed already on another way here.
    if (needed || first === undefined || editor.makerOf(first) !== node) continue;
    const makers = [...readsOf(node)].map((name) => editor.makerOf(name));
    editor.remove(node);
    swept += 1;
    waiting.push(...makers.filter((maker) => maker !== undefined));
  }
  return swept;
}

/** The tensor of a Constant node, in whichever attribute it stands. */
function valueOfConstant(node: Node): TensorRecord | undefined {
  if (node.operator !== 'Constant') return undefined;
  const tensor = attributeOf(node, 'value')?.tensor;
  if (tensor !== undefined) return tensor;
  const float = attributeOf(node, 'value_float')?.float;
  if (float !== undefined) return scalar('float32', Float32Array.of(float), []);
  const floats = attributeOf(node, 'value_floats')?.floats;
  if (floats !== undefined) return scalar('float32', Float32Array.from(floats), [floats.length]);
  const int = attributeOf(node, 'value_int')?.int;
  if (int !== undefined) return scalar('int64', BigInt64Array.of(int), []);
  const ints = attributeOf(node, 'value_ints')?.ints;
  if (ints !== undefined) return scalar('int64', BigInt64Array.from(ints), [ints.length]);
  return undefined;
}

function scalar(
  type: 'float32' | 'int64',
  data: Float32Array | BigInt64Array,
  shape: number[],
): TensorRecord {
  return recordOfTensor('', { kind: 'tensor', type, shape, data });
}

/** Each node after those it reads from, otherwise in the given order. */
function sortNodes(
  nodes: readonly Node[],
  editor: GraphEditor,
  reads: ReadonlyMap<Node, ReadonlySet<string>>,
): readonly Node[] {
  const sorted = new Set<Node>();
  const open = new Set<Node>();
  for (const start of nodes) {
    const stack = [start];
    for (let node = stack.at(-1); node !== undefined; node = stack.at(-1)) {
      const makers = open.has(node) ? [] : [...(reads.get(node) ?? [])].map(editor.makerOf);
      open.add(node);
      const before = makers.filter((one) => one !== undefined && !sorted.has(one) && one !== node);
      const fresh = (before as Node[]).filter((one) => !open.has(one));
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
