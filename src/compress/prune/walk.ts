import { createNode } from '../../onnx/build.ts';
import { tensorOfRecord } from '../../onnx/constant.ts';
import { elementTypeCode } from '../../onnx/element-type.ts';
import type { GraphEditor } from '../../onnx/graph-editor.ts';
import { placeOf } from '../../onnx/names.ts';
import type { Node, TensorRecord } from '../../onnx/proto.ts';
import { numbers } from '../kernels.ts';
import { countOf, type Extent, freeSize, isSame, known } from './extent.ts';
import type { Units } from './units.ts';

/** One axis of a value. Without units it stays as it is, for the reason that stands there. */
export interface Axis {
  readonly size: Extent;
  /** One for each place along the axis. */
  readonly units?: Int32Array;
  readonly why?: string;
}

/** The axes of a value; undefined where not even their number is known. */
export type Axes = readonly Axis[] | undefined;

/** A whole number of a shape, and the axis whose size it is. */
export interface Whole {
  readonly size: Extent;
  readonly axis?: Axis;
}

/** A constant where a node reads it, with the units along its axes. */
export interface Reading {
  readonly name: string;
  readonly record: TensorRecord;
  readonly node: Node;
  readonly at: number;
  readonly axes: readonly Axis[];
}

/** What a layer makes: the axis of its channels or hidden units. */
export interface Made {
  readonly node: Node;
  readonly axis: Axis;
  readonly by: 'convolution' | 'product';
}

/** Where a layer sums over an axis: what is taken away there is no longer heard. */
export interface Summed {
  readonly node: Node;
  readonly at: number;
  /** Counted from the last axis, which is 1. */
  readonly fromLast: number;
  readonly axis: Axis;
}

/** How a node changes when units go. */
export type Amend = (node: Node, cut: Cut) => Node;

/** What is left after the cut. */
export interface Cut {
  /** The size that an axis keeps. */
  countOf(axis: Axis): number | undefined;
  /** The places that an axis keeps; undefined where it keeps all. */
  keptOf(axis: Axis): readonly number[] | undefined;
  /** Adds a constant of whole numbers and gives its name. */
  addWholes(wanted: string, values: readonly number[]): string;
  /** Adds a node that gives a value of the name. */
  add(node: Node): void;
  freshName(wanted: string): string;
  makerOf: GraphEditor['makerOf'];
}

/** Everything that was found by following the units through the graph. */
export interface Walk {
  readonly editor: GraphEditor;
  readonly units: Units;
  readonly opset: number;
  /** The axes of a node's input. */
  axes(node: Node, at: number): Axes;
  /** The axes of a value that no constant is. */
  axesOf(name: string): Axes;
  give(name: string, axes: Axes): void;
  wholesOf(name: string): readonly Whole[] | undefined;
  giveWholes(name: string, wholes: readonly Whole[] | undefined): void;
  /** Makes two axes one in what they lose; the sizes of both must be known and equal, or neither. */
  join(a: Axis, b: Axis, node: Node): Axis;
  pin(axes: Axes, node: Node, reason: string): void;
  /** A size that nothing is known of. */
  unknownSize(): Extent;
  made(made: Made): void;
  summed(summed: Summed): void;
  /** Marks units as heads of attention. */
  heads(units: Int32Array): void;
  amend(node: Node, amend: Amend): void;
  readonly found: Found;
}

/** What rules noted on the way. */
export interface Found {
  readonly readings: Reading[];
  readonly made: Made[];
  readonly summed: Summed[];
  readonly heads: Set<number>;
  readonly amends: Map<Node, Amend[]>;
}

export const FLOATS = codesOf('float32', 'float16', 'float64', 'bfloat16');
const WHOLE = codesOf('int32', 'int64');
/** Vectors are told apart where they are read: exporters share equal ones between layers. */
const SHARED_RANK_MIN = 2;

/** No symbol of a file begins so. */
const UNKNOWN = '?';

/** How little is known of a size: a number, a name, or nothing. */
function vagueness({ size }: Axis): number {
  if (countOf(size) !== undefined) return 0;
  return isUnknown(size) ? 2 : 1;
}

/** Whether a size is one that nothing is known of. */
export function isUnknown({ free }: Extent): boolean {
  return free.some((name) => name.startsWith(UNKNOWN));
}

/** An empty walk over a graph. */
export function createWalk(editor: GraphEditor, units: Units, opset: number): Walk {
  const values = new Map<string, Axes>();
  const constants = new Map<string, readonly Axis[]>();
  const wholes = new Map<string, readonly Whole[] | undefined>();
  const found: Found = { readings: [], made: [], summed: [], heads: new Set(), amends: new Map() };
  let unknowns = 0;

  function constantAxes(name: string, record: TensorRecord): readonly Axis[] {
    const old = constants.get(name);
    if (old !== undefined) return old;
    const float = FLOATS.has(record.dataType ?? 0);
    const axes = record.dims.map((dim): Axis => {
      const size = known(Number(dim));
      if (!float || size.count < 2) return { size, why: `of the constant ${name}` };
      return { size, units: units.fresh(size.count) };
    });
    if (axes.length >= SHARED_RANK_MIN) constants.set(name, axes);
    return axes;
  }

  const walk: Walk = {
    editor,
    units,
    opset,
    found,
    axes(node, at) {
      const name = node.inputs[at] ?? '';
      const record = editor.constantOf(name);
      if (record === undefined) return walk.axesOf(name);
      const axes = constantAxes(name, record);
      found.readings.push({ name, record, node, at, axes });
      return axes;
    },
    axesOf: (name) => values.get(name),
    give: (name, axes) => void values.set(name, axes),
    wholesOf: (name) => wholes.get(name) ?? constantWholes(editor, name),
    giveWholes: (name, given) => void wholes.set(name, given),
    join(a, b, node) {
      if (a.units === undefined || b.units === undefined) {
        const [fixed, other] = a.units === undefined ? [a, b] : [b, a];
        walk.pin([other], node, fixed.why ?? 'joined with a size that stays');
        return other.units === undefined && vagueness(other) < vagueness(fixed) ? other : fixed;
      }
      if (!isSame(a.size, b.size)) {
        walk.pin([a, b], node, 'sizes that do not fit');
        return a;
      }
      for (const [at, unit] of a.units.entries()) units.join(unit, b.units[at]!);
      return a;
    },
    pin(axes, node, reason) {
      for (const axis of axes ?? []) {
        if (axis.units !== undefined) units.pin(axis.units, { where: placeOf(node), reason });
      }
    },
    unknownSize() {
      unknowns += 1;
      return freeSize(`${UNKNOWN}${unknowns}`);
    },
    made: (made) => void found.made.push(made),
    summed: (summed) => void found.summed.push(summed),
    heads: (marked) => marked.forEach((unit) => void found.heads.add(unit)),
    amend(node, amend) {
      const before = found.amends.get(node);
      if (before === undefined) found.amends.set(node, [amend]);
      else before.push(amend);
    },
  };
  return walk;
}

function codesOf(...names: readonly string[]): ReadonlySet<number> {
  return new Set(names.map(elementTypeCode));
}

/** A constant shape is a handful of numbers; longer constants of whole numbers are tables. */
const WHOLES_MAX = 64;

/** The numbers of a constant that may be a shape, a list of axes or of places. */
export function wholeNumbers(
  editor: Pick<GraphEditor, 'constantOf'>,
  name: string,
): readonly number[] | undefined {
  const record = editor.constantOf(name);
  if (record === undefined || !WHOLE.has(record.dataType ?? 0)) return undefined;
  if (record.dims.length > 1 || Number(record.dims[0] ?? 1n) > WHOLES_MAX) return undefined;
  const tensor = tensorOfRecord(record);
  return tensor && numbers(tensor);
}

function constantWholes(editor: GraphEditor, name: string): readonly Whole[] | undefined {
  return wholeNumbers(editor, name)?.map((value) => ({ size: known(value) }));
}

/** A node with one attribute set to an int. */
export function withInt(node: Node, name: string, value: number): Node {
  return withAttribute(node, createNode({ ...EMPTY, attributes: { [name]: BigInt(value) } }));
}

/** A node with one attribute set to a list of ints. */
export function withInts(node: Node, name: string, values: readonly number[]): Node {
  return withAttribute(node, createNode({ ...EMPTY, attributes: { [name]: values.map(BigInt) } }));
}

const EMPTY = { operator: '', inputs: [], outputs: [] };

function withAttribute(node: Node, { attributes: [set] }: Node): Node {
  const others = node.attributes.filter(({ name }) => name !== set?.name);
  return { ...node, attributes: [...others, set!] };
}

/** A node that reads another value in one place. */
export function withInput(node: Node, at: number, name: string): Node {
  return { ...node, inputs: node.inputs.map((input, place) => (place === at ? name : input)) };
}
