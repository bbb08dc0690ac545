import type { Tensor } from '../tensor/tensor.ts';
import { recordOfTensor } from './constant.ts';
import { attributeOf } from './graph.ts';
import { readsOf } from './names.ts';
import { renameReads } from './names-within.ts';
import { createNodeIndex } from './node-index.ts';
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
  const index = createNodeIndex(graph.nodes);
  const constants = new Map(graph.initializers.map((one) => [one.name ?? '', one]));
  const outputs = new Set(graph.outputs.map(({ name }) => name ?? ''));
  const inputs = new Set(graph.inputs.map(({ name }) => name ?? ''));
  const infos = new Map(
    [...graph.valueInfos, ...graph.inputs, ...graph.outputs].map((one) => [one.name ?? '', one]),
  );
  const { makerOf, readersOf } = index;
  let changed = false;

  const editor: GraphEditor = {
    nodes: () => index.nodes,
    makerOf,
    readersOf,
    isOutput: (name) => outputs.has(name),
    isInput: (name) => inputs.has(name),
    onlyReaderOf(name) {
      const [first, second] = readersOf(name);
      return second === undefined && !outputs.has(name) ? first : undefined;
    },
    constantOf(name) {
      if (name === '') return undefined;
      const maker = makerOf(name);
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
    freshName: (wanted) => takeName(wanted, scope.taken),
    add: (...added) => added.forEach(index.add),
    remove: (...gone) => gone.forEach(index.remove),
    replace(old, ...next) {
      index.remove(old);
      next.forEach(index.add);
    },
    redirect: (from, to) => redirect(editor, from, to),
    infoOf: (name) => infos.get(name),
    initializers: () => [...constants.values()],
    removeInitializers(gone) {
      for (const one of gone) constants.delete(one.name ?? '');
      changed ||= gone.size > 0;
    },
    sweep() {
      let swept = 0;
      for (const node of [...index.nodes].reverse()) swept += sweepFrom(node, editor);
      for (const name of [...constants.keys()]) {
        if (readersOf(name).length > 0 || outputs.has(name) || inputs.has(name)) continue;
        constants.delete(name);
        changed = true;
      }
      return swept;
    },
    finish() {
      if (!changed && !index.changed()) return graph;
      const initializers = [...constants.values()];
      const valueInfos = graph.valueInfos.filter(({ name }) => makerOf(name ?? '') !== undefined);
      return { ...graph, nodes: index.sorted(), initializers, valueInfos };
    },
  };
  return editor;
}

function takeName(wanted: string, taken: Set<string>): string {
  let name = wanted;
  for (let at = 1; taken.has(name); at += 1) name = `${wanted}_${at}`;
  taken.add(name);
  return name;
}

function redirect(editor: GraphEditor, from: string, to: string): boolean {
  let [old, next] = [from, to];
  if (editor.isOutput(from)) {
    const maker = editor.makerOf(to);
    if (maker === undefined || editor.isOutput(to)) return false;
    // The output keeps its name: the node that makes the other value takes it.
    const before = editor.makerOf(from);
    if (before !== undefined) editor.remove(before);
    const outputs = maker.outputs.map((name) => (name === to ? from : name));
    editor.replace(maker, { ...maker, outputs });
    [old, next] = [to, from];
  }
  for (const node of editor.readersOf(old)) editor.replace(node, renameReads(node, old, next));
  return true;
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
