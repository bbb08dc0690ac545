import type { TensorData } from '../tensor/tensor.ts';

/**
 * Transposes each block of `size` elements, seen as [outer, inner], to [inner, outer]: pixels of
 * channels to planes of pixels and, with the plane's size as `inner`, back.
 */
export function swapPlanes(data: TensorData, size: number, inner: number): TensorData {
  const swapped = data.slice();
  const outer = size / inner;
  for (let start = 0; start < data.length; start += size) {
    for (let column = 0; column < inner; column += 1) {
      const to = start + column * outer;
      for (let row = 0; row < outer; row += 1) {
        swapped[to + row] = data[start + row * inner + column]!;
      }
    }
  }
  return swapped;
}
