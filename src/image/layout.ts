import type { TensorData } from '../tensor/tensor.ts';

/**
 * Transposes each block of `size` elements, seen as [outer, inner], to [inner, outer]: pixels of
 * channels to planes of pixels and, with the plane's size as `inner`, back.
 */
export function swapPlanes<Data extends TensorData>(data: Data, size: number, inner: number): Data {
  const swapped = data.slice() as Data;
  const outer = size / inner;
  for (let start = 0; start < data.length; start += size) {
    const block = data.subarray(start, start + size) as Data;
    const to = swapped.subarray(start, start + size) as Data;
    if (block instanceof Uint8Array && to instanceof Uint8Array && inner === 3) split(block, to);
    else swapBlock(block, to, outer);
  }
  return swapped;
}

function swapBlock(block: TensorData, swapped: TensorData, outer: number): void {
  const inner = block.length / outer;
  for (let column = 0; column < inner; column += 1) {
    let to = column * outer;
    for (let at = column; at < block.length; at += inner) {
      swapped[to] = block[at]!;
      to += 1;
    }
  }
}

/** The same for pixels of three bytes, in one pass: most of what cameras send goes this way. */
function split(pixels: Uint8Array, planes: Uint8Array): void {
  const count = pixels.length / 3;
  const first = planes.subarray(0, count);
  const second = planes.subarray(count, 2 * count);
  const third = planes.subarray(2 * count);
  for (let pixel = 0, at = 0; pixel < count; pixel += 1, at += 3) {
    first[pixel] = pixels[at]!;
    second[pixel] = pixels[at + 1]!;
    third[pixel] = pixels[at + 2]!;
  }
}
