import { rawBytesOf } from '../../onnx/constant.ts';
import { elementTypeOf } from '../../onnx/element-type.ts';
import type { GraphEditor } from '../../onnx/graph-editor.ts';
import type { Graph, Node, TensorRecord, ValueInfo } from '../../onnx/proto.ts';
import { addWholes } from '../add-wholes.ts';
import { countOf } from './extent.ts';
import type { Axes, Axis, Cut, Reading, Walk } from './walk.ts';
import { withInput } from './walk.ts';

/** What an initialiser lost along one axis: what fine-tuning cuts its own weights by. */
export interface CutInitialiser {
  readonly name: string;
  readonly axis: number;
  readonly of: number;
  readonly kept: readonly number[];
  /** What it is called now, where others read it otherwise and a constant was made of it. */
  readonly as?: string;
}

export interface CutGraph {
  readonly graph: Graph;
  readonly initialisers: readonly CutInitialiser[];
}

/** Takes units out of a graph: constants become smaller, and nodes say so where they name sizes. */
export function cutGraph(walk: Walk, isGone: (root: number) => boolean): CutGraph {
  const { editor, found } = walk;
  const cut = createCut(walk, isGone);
  const rewritten = new Map<string, TensorRecord>();
  const initialisers: CutInitialiser[] = [];
  const inputs = new Map<Node, { at: number; name: string }[]>();
  for (const [name, readings] of groupBy(found.readings, ({ name }) => name)) {
    for (const form of formsOf(name, readings, { cut, editor })) {
      const { record, axes } = form.readings[0]!;
      const kept = axes.map((axis) => cut.keptOf(axis));
      if (kept.every((one) => one === undefined)) continue;
      const smaller = sliceRecord(record, kept);
      const gone = told(name, axes, kept);
      if (form.inPlace) {
        initialisers.push(...gone);
        rewritten.set(name, { ...smaller, name });
        continue;
      }
      const fresh = editor.addConstant(`${name}_pruned`, smaller);
      initialisers.push(...gone.map((one) => ({ ...one, as: fresh })));
      for (const one of form.readings) {
        inputs.set(one.node, [...(inputs.get(one.node) ?? []), { at: one.at, name: fresh }]);
      }
    }
  }
  for (const node of [...editor.nodes()]) {
    let next = node;
    for (const amend of found.amends.get(node) ?? []) next = amend(next, cut);
    for (const { at, name } of inputs.get(node) ?? []) next = withInput(next, at, name);
    if (next !== node) editor.replace(node, next);
  }
  editor.sweep();
  const done = editor.finish();
  const resized = (value: ValueInfo) => resizedInfo(value, walk.axesOf(value.name ?? ''), cut);
  return {
    graph: {
      ...done,
      initializers: done.initializers.map((one) => rewritten.get(one.name ?? '') ?? one),
      inputs: done.inputs.map(resized),
      outputs: done.outputs.map(resized),
      valueInfos: done.valueInfos.map(resized),
    },
    initialisers,
  };
}

function createCut({ editor, units }: Walk, isGone: (root: number) => boolean): Cut {
  const known = new Map<Int32Array, readonly number[] | undefined>();
  const cut: Cut = {
    keptOf({ units: own }) {
      if (own === undefined) return undefined;
      if (known.has(own)) return known.get(own);
      const kept = [...own.keys()].filter((at) => !isGone(units.rootOf(own[at]!)));
      const result = kept.length === own.length ? undefined : kept;
      known.set(own, result);
      return result;
    },
    countOf: (axis) => cut.keptOf(axis)?.length ?? countOf(axis.size),
    addWholes: (wanted, values) => addWholes(editor, wanted, values),
    add: (node) => editor.add(node),
    freshName: editor.freshName,
    makerOf: editor.makerOf,
  };
  return cut;
}

interface Form {
  readonly readings: readonly Reading[];
  /** Whether the constant itself becomes this: all that read it want the same of it. */
  readonly inPlace: boolean;
}

/** A constant as those want it that read it. What reads it elsewhere wants it whole. */
function formsOf(
  name: string,
  readings: readonly Reading[],
  { cut, editor }: { readonly cut: Cut; readonly editor: GraphEditor },
): readonly Form[] {
  const forms = [
    ...groupBy(readings, ({ axes }) =>
      JSON.stringify(axes.map((axis) => cut.keptOf(axis))),
    ).values(),
  ];
  const all = editor.readersOf(name).flatMap((node) => [...placesOf(node, name)]).length;
  const own = editor.makerOf(name) === undefined && !editor.isOutput(name);
  const alone = forms.length === 1 && readings.length === all && own;
  return forms.map((one) => ({ readings: one, inPlace: alone }));
}

/** Where a node reads a value; one within its subgraphs counts as one. */
function placesOf(node: Node, name: string): readonly number[] {
  const places = [...node.inputs.keys()].filter((at) => node.inputs[at] === name);
  return places.length === 0 ? [-1] : places;
}

function groupBy<T>(list: readonly T[], keyOf: (one: T) => string): ReadonlyMap<string, T[]> {
  const found = new Map<string, T[]>();
  for (const one of list) {
    const key = keyOf(one);
    const known = found.get(key);
    if (known === undefined) found.set(key, [one]);
    else known.push(one);
  }
  return found;
}

function told(
  name: string,
  axes: readonly Axis[],
  kept: readonly (readonly number[] | undefined)[],
): readonly CutInitialiser[] {
  return kept.flatMap((one, axis) =>
    one === undefined ? [] : [{ name, axis, of: axes[axis]!.units!.length, kept: one }],
  );
}

/** The same constant with some places along its axes, byte for byte. */
export function sliceRecord(
  record: TensorRecord,
  kept: readonly (readonly number[] | undefined)[],
): TensorRecord {
  const bits = elementTypeOf(record.dataType)?.bits ?? 0;
  let bytes = rawBytesOf(record);
  if (bytes === undefined) throw new TypeError(`${record.name} has no numbers`);
  const dims = record.dims.map(Number);
  for (const [axis, places] of kept.entries()) {
    if (places === undefined) continue;
    const inner = (dims.slice(axis + 1).reduce((product, size) => product * size, 1) * bits) / 8;
    const outer = dims.slice(0, axis).reduce((product, size) => product * size, 1);
    const next = new Uint8Array(outer * places.length * inner);
    let to = 0;
    for (let row = 0; row < outer; row += 1) {
      for (const place of places) {
        const from = (row * dims[axis]! + place) * inner;
        next.set(bytes.subarray(from, from + inner), to);
        to += inner;
      }
    }
    dims[axis] = places.length;
    bytes = next;
  }
  const {
    floatData: _f,
    int32Data: _i,
    int64Data: _l,
    doubleData: _d,
    uint64Data: _u,
    ...rest
  } = record;
  return { ...rest, dims: dims.map(BigInt), rawData: bytes };
}

function resizedInfo(value: ValueInfo, axes: Axes, cut: Cut): ValueInfo {
  const tensor = value.type?.tensor;
  const dims = tensor?.shape?.dims;
  if (tensor?.shape === undefined || dims === undefined || axes?.length !== dims.length)
    return value;
  if (axes.every((axis) => cut.keptOf(axis) === undefined)) return value;
  const sizes = dims.map((dim, at) =>
    dim.size === undefined ? dim : { ...dim, size: BigInt(cut.countOf(axes[at]!) ?? dim.size) },
  );
  const shape = { ...tensor.shape, dims: sizes };
  return { ...value, type: { ...value.type!, tensor: { ...tensor, shape } } };
}
