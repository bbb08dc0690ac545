import { elementTypeOf } from '../onnx/element-type.ts';
import { attributeOf } from '../onnx/graph.ts';
import type { Node } from '../onnx/proto.ts';
import { broadcastShape } from '../tensor/broadcast.ts';
import { fromFloat16Bits, toFloat16Bits } from '../tensor/float16.ts';
import { castData } from '../tensor/quantize.ts';
import {
  arrayOf,
  type DataType,
  elementCount,
  type Tensor,
  type TensorData,
} from '../tensor/tensor.ts';

/** Gives a node's output from constant inputs; undefined for what it does not do. */
export type Kernel = (node: Node, inputs: readonly Tensor[]) => Tensor | undefined;

/** Evaluates a node of ONNX's own domain on constants; undefined where no kernel does it. */
export function evaluate(node: Node, inputs: readonly Tensor[]): Tensor | undefined {
  return KERNELS[node.operator ?? '']?.(node, inputs);
}

/** Results of one operation in double precision rounded once are the runtime's own for these. */
const UNARY: Readonly<Record<string, (x: number) => number>> = {
  Neg: (x) => -x,
  Abs: Math.abs,
  Sqrt: Math.sqrt,
  Reciprocal: (x) => 1 / x,
  Floor: Math.floor,
  Ceil: Math.ceil,
};

const BINARY: Readonly<Record<string, (a: number, b: number, whole: boolean) => number>> = {
  Add: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Mul: (a, b) => a * b,
  // Whole numbers are cut towards zero, as in C.
  Div: (a, b, whole) => (whole ? Math.trunc(a / b) : a / b),
};

const KERNELS: Readonly<Record<string, Kernel>> = {
  Cast: (node, [x]) => {
    const to = elementTypeOf(Number(attributeOf(node, 'to')?.int ?? 0n))?.dataType;
    if (x === undefined || to === undefined) return undefined;
    if (!castsExactly(x, to)) return undefined;
    return { kind: 'tensor', type: to, shape: x.shape, data: castData(x, to) };
  },
  Shape: (node, [x]) => {
    if (x === undefined || node.attributes.length > 0) return undefined;
    return int64s([x.shape.length], x.shape);
  },
  Size: (_, [x]) => x && int64s([], [elementCount(x.shape)]),
  Reshape: (node, [x, sizes]) => {
    if (x === undefined || sizes === undefined) return undefined;
    const zeroIsZero = attributeOf(node, 'allowzero')?.int === 1n;
    const shape = numbers(sizes).map((size, axis) =>
      size === 0 && !zeroIsZero ? (x.shape[axis] ?? 0) : size,
    );
    return reshaped(x, inferred(shape, elementCount(x.shape)));
  },
  Squeeze: (node, [x, given]) => {
    if (x === undefined) return undefined;
    const axes = axesOf(node, given)?.map((axis) => (axis < 0 ? axis + x.shape.length : axis));
    const gone = (size: number, axis: number) =>
      axes === undefined ? size === 1 : axes.includes(axis);
    return reshaped(
      x,
      x.shape.filter((size, axis) => !gone(size, axis)),
    );
  },
  Unsqueeze: (node, [x, given]) => {
    const axes = axesOf(node, given);
    if (x === undefined || axes === undefined) return undefined;
    const rank = x.shape.length + axes.length;
    const at = axes.map((axis) => (axis < 0 ? axis + rank : axis));
    const rest = [...x.shape];
    return reshaped(
      x,
      Array.from({ length: rank }, (_, axis) => (at.includes(axis) ? 1 : rest.shift()!)),
    );
  },
  Transpose: (node, [x]) => {
    if (x === undefined) return undefined;
    const given = attributeOf(node, 'perm')?.ints.map(Number);
    return transpose(x, given ?? x.shape.map((_, axis) => x.shape.length - 1 - axis));
  },
  Concat: (node, inputs) => concat(inputs, Number(attributeOf(node, 'axis')?.int ?? 0n)),
  Gather: (node, [x, indices]) => {
    if (x === undefined || indices === undefined) return undefined;
    return gather(x, indices, Number(attributeOf(node, 'axis')?.int ?? 0n));
  },
  Slice: (node, [x, starts, ends, axes, steps]) => {
    if (x === undefined || x.shape.length !== 1) return undefined;
    const own = (name: string) => attributeOf(node, name)?.ints.map(Number)[0];
    const from = starts ? numbers(starts)[0] : own('starts');
    const to = ends ? numbers(ends)[0] : own('ends');
    if (from === undefined || to === undefined) return undefined;
    if (steps !== undefined && numbers(steps)[0] !== 1) return undefined;
    if (axes !== undefined && ![0, -1].includes(numbers(axes)[0] ?? 0)) return undefined;
    const data = x.data.slice(from, Math.min(to, x.data.length)) as TensorData;
    return { ...x, shape: [data.length], data };
  },
};

for (const [name, apply] of Object.entries(UNARY)) {
  (KERNELS as Record<string, Kernel>)[name] = (_, [x]) =>
    x && isArithmetic(x.type)
      ? mapped(x, [x.shape, x.data.length], (at) => apply(Number(x.data[at])))
      : undefined;
}

for (const [name, apply] of Object.entries(BINARY)) {
  (KERNELS as Record<string, Kernel>)[name] = (_, [a, b]) => {
    if (a === undefined || b === undefined || a.type !== b.type || !isArithmetic(a.type))
      return undefined;
    const shape = broadcastShape(a.shape, b.shape);
    if (shape === undefined) return undefined;
    const whole = !a.type.startsWith('float');
    if (whole && name === 'Div' && numbers(b).includes(0)) return undefined;
    const [left, right] = [placesIn(a.shape, shape), placesIn(b.shape, shape)];
    return mapped(a, [shape, elementCount(shape)], (at) =>
      apply(Number(a.data[left(at)]), Number(b.data[right(at)]), whole),
    );
  };
}

/** Whole numbers go through double precision: it holds sizes and indices exactly, not all of 64 bits. */
function isArithmetic(type: DataType): boolean {
  return type === 'float32' || type === 'float64' || type === 'int32' || type === 'int64';
}

/** Casts of numbers that both types hold are the same everywhere; rounding and overflow are not. */
function castsExactly({ type, data }: Tensor, to: DataType): boolean {
  if (to === 'float32' || to === 'float64' || to === 'bool')
    return type !== 'float16' || to !== 'bool';
  if (to === 'float16') return type === 'float32';
  const least = to.startsWith('u') ? 0 : -2_147_483_648;
  const small = to === 'int32' || to === 'int64' || to === 'uint32' || to === 'uint64';
  if (!small || type === 'float16') return false;
  for (const one of data) {
    const value = Number(one);
    if (!Number.isInteger(value) || value < least || value > 2_147_483_647) return false;
  }
  return true;
}

/** A constant's numbers as JavaScript's; float16 is read from its bits. */
export function numbers({ type, data }: Tensor): number[] {
  return Array.from(data as ArrayLike<number | bigint>, (value) =>
    type === 'float16' ? fromFloat16Bits(Number(value)) : Number(value),
  );
}

/** A float32 tensor of the same shape; undefined for types that are no floats. */
export function asFloat32(tensor: Tensor): Float32Array | undefined {
  if (tensor.data instanceof Float32Array) return tensor.data;
  if (tensor.type === 'float16' || tensor.type === 'float64')
    return Float32Array.from(numbers(tensor));
  return undefined;
}

/** Numbers as a tensor of the type of another, which must be a float. */
export function likeFloat(type: DataType, shape: readonly number[], values: Float32Array): Tensor {
  if (type === 'float16') {
    return { kind: 'tensor', type, shape, data: Uint16Array.from(values, toFloat16Bits) };
  }
  const data = type === 'float64' ? Float64Array.from(values) : values;
  return { kind: 'tensor', type, shape, data };
}

/** Moves axes: axis `at` of the result is axis `order[at]` of the input. */
export function transpose(x: Tensor, order: readonly number[]): Tensor | undefined {
  if (order.length !== x.shape.length) return undefined;
  const shape = order.map((axis) => x.shape[axis] ?? 0);
  const steps = stridesOf(x.shape);
  const moved = order.map((axis) => steps[axis] ?? 0);
  const data = new (arrayOf(x.type))(x.data.length);
  const at = new Array<number>(shape.length).fill(0);
  let from = 0;
  for (let to = 0; to < data.length; to += 1) {
    data[to] = x.data[from]!;
    for (let axis = shape.length - 1; axis >= 0; axis -= 1) {
      at[axis]! += 1;
      from += moved[axis]!;
      if (at[axis]! < shape[axis]!) break;
      from -= moved[axis]! * shape[axis]!;
      at[axis] = 0;
    }
  }
  return { kind: 'tensor', type: x.type, shape, data };
}

function int64s(shape: readonly number[], values: readonly number[]): Tensor {
  return { kind: 'tensor', type: 'int64', shape, data: BigInt64Array.from(values.map(BigInt)) };
}

function mapped(
  { type }: Tensor,
  [shape, count]: readonly [readonly number[], number],
  valueAt: (at: number) => number,
): Tensor | undefined {
  const data = new (arrayOf(type))(count);
  for (let at = 0; at < count; at += 1) {
    const value = valueAt(at);
    if (data instanceof BigInt64Array) {
      if (!Number.isSafeInteger(value)) return undefined;
      data[at] = BigInt(value);
    } else data[at] = value;
  }
  return { kind: 'tensor', type, shape, data };
}

function reshaped(x: Tensor, shape: readonly number[] | undefined): Tensor | undefined {
  if (shape === undefined || elementCount(shape) !== x.data.length) return undefined;
  return { ...x, shape };
}

/** The one size of -1 from all the others. */
function inferred(shape: readonly number[], count: number): readonly number[] | undefined {
  const known = shape.filter((size) => size !== -1);
  if (known.length === shape.length) return shape;
  const rest = count / elementCount(known);
  return known.length === shape.length - 1 && Number.isInteger(rest)
    ? shape.map((size) => (size === -1 ? rest : size))
    : undefined;
}

function axesOf(node: Node, given: Tensor | undefined): number[] | undefined {
  return given === undefined ? attributeOf(node, 'axes')?.ints.map(Number) : numbers(given);
}

function concat(inputs: readonly Tensor[], given: number): Tensor | undefined {
  const [first] = inputs;
  if (first === undefined || inputs.some(({ type }) => type !== first.type)) return undefined;
  const axis = given < 0 ? given + first.shape.length : given;
  const rows = elementCount(first.shape.slice(0, axis));
  const size = inputs.reduce((sum, { shape }) => sum + (shape[axis] ?? 0), 0);
  const shape = first.shape.map((one, at) => (at === axis ? size : one));
  const data = new (arrayOf(first.type))(elementCount(shape));
  let to = 0;
  for (let row = 0; row < rows; row += 1) {
    for (const { data: part } of inputs) {
      const width = part.length / rows;
      data.set(part.subarray(row * width, (row + 1) * width) as never, to);
      to += width;
    }
  }
  return { kind: 'tensor', type: first.type, shape, data };
}

function gather(x: Tensor, indices: Tensor, given: number): Tensor | undefined {
  const axis = given < 0 ? given + x.shape.length : given;
  const size = x.shape[axis] ?? 0;
  const inner = elementCount(x.shape.slice(axis + 1));
  const outer = elementCount(x.shape.slice(0, axis));
  const places = numbers(indices).map((index) => (index < 0 ? index + size : index));
  if (places.some((place) => place < 0 || place >= size)) return undefined;
  const shape = [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)];
  const data = new (arrayOf(x.type))(elementCount(shape));
  let to = 0;
  for (let row = 0; row < outer; row += 1) {
    for (const place of places) {
      const from = (row * size + place) * inner;
      data.set(x.data.subarray(from, from + inner) as never, to);
      to += inner;
    }
  }
  return { kind: 'tensor', type: x.type, shape, data };
}

function stridesOf(shape: readonly number[]): number[] {
  return shape.map((_, axis) => elementCount(shape.slice(axis + 1)));
}

/** Where an element of a broadcast result stands in one of its operands. */
function placesIn(from: readonly number[], shape: readonly number[]): (at: number) => number {
  const steps = stridesOf(from);
  const offset = shape.length - from.length;
  const whole = stridesOf(shape);
  return (at) => {
    let place = 0;
    for (let axis = 0; axis < from.length; axis += 1) {
      if (from[axis] === 1) continue;
      const index = Math.floor(at / whole[axis + offset]!) % shape[axis + offset]!;
      place += index * steps[axis]!;
    }
    return place;
  };
}
