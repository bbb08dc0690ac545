import type { TensorData } from '../tensor/tensor.ts';

/**
 * Transposes each block of `size` elements, seen as [outer, inner], to [inner, outer]: pixels of
 * channels to planes of pixels and, with the plane's size as `inner`, back.
 */
export function swapPlanes<Data extends TensorData>(data: Data, size: number, inner: number): Data {
  const swapped = data.slice() as Data;
  const outer = size / inner;
  for (let start = 0; start < data.length; start += size) {
    const end = start + size;
    for (let column = 0; column < inner; column += 1) {
      let to = start + column * outer;
      for (let at = start + column; at < end; at += inner) {
        swapped[to] = data[at]!;
        to += 1;
      }
    }
  }
  return swapped;
}
