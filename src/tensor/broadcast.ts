import { elementCount, FREE } from './tensor.ts';

/**
 * The shape that two shapes give together by numpy's rules, a FREE dimension taking the other's
 * size; undefined where they do not fit.
 */
export function broadcastShape(
  a: readonly number[],
  b: readonly number[],
): readonly number[] | undefined {
  const rank = Math.max(a.length, b.length);
  const shape: number[] = [];
  for (let axis = 0; axis < rank; axis++) {
    const first = a[a.length - rank + axis] ?? 1;
    const second = b[b.length - rank + axis] ?? 1;
    if (first === second || second === 1) shape.push(first);
    else if (first === 1) shape.push(second);
    else if (first === FREE || second === FREE) shape.push(first === FREE ? second : first);
    else return undefined;
  }
  return shape;
}

export interface Operand {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** `apply` to every pair of elements, row-major over `shape`, which broadcastShape gave. */
export function mapBroadcast(
  a: Operand,
  b: Operand,
  {
    shape,
    apply,
  }: { readonly shape: readonly number[]; readonly apply: (a: number, b: number) => number },
): Float32Array {
  const out = new Float32Array(elementCount(shape));
  if (a.data.length === out.length && b.data.length === out.length) {
    for (let index = 0; index < out.length; index++)
      out[index] = apply(a.data[index]!, b.data[index]!);
    return out;
  }
  const strides = [stridesOf(a.shape, shape.length), stridesOf(b.shape, shape.length)] as const;
  const position = new Array<number>(shape.length).fill(0);
  let [atA, atB] = [0, 0];
  for (let index = 0; index < out.length; index++) {
    out[index] = apply(a.data[atA]!, b.data[atB]!);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      atA += strides[0][axis]!;
      atB += strides[1][axis]!;
      position[axis] = position[axis]! + 1;
      if (position[axis]! < shape[axis]!) break;
      atA -= strides[0][axis]! * shape[axis]!;
      atB -= strides[1][axis]! * shape[axis]!;
      position[axis] = 0;
    }
  }
  return out;
}

/** Elements from one index of an axis to the next; 0 where the axis is repeated. */
function stridesOf(shape: readonly number[], rank: number): number[] {
  const strides = new Array<number>(rank).fill(0);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const size = shape[axis]!;
    strides[rank - shape.length + axis] = size === 1 ? 0 : stride;
    stride *= size;
  }
  return strides;
}
