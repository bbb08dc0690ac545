import { LedgeError } from '../../std/error.ts';
import type { Tensor } from '../../tensor/tensor.ts';

/** The elements of any numeric tensor as float32; a float32 tensor's own, not to be written to. */
export function float32Of(tensor: Tensor): Float32Array {
  if (tensor.data instanceof Float32Array) return tensor.data;
  const { length } = tensor.data;
  const numbers = new Float32Array(length);
  const half = tensor.type === 'float16';
  for (let index = 0; index < length; index += 1) {
    const element = Number(tensor.data[index]);
    numbers[index] = half ? fromHalf(element) : element;
  }
  return numbers;
}

/** IEEE 754 binary16 from its bits. */
function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** A score as it is published: float32 has no digits beyond the sixth that mean anything. */
export function roundScore(score: number): number {
  return Math.round(score * 1e6) / 1e6;
}

/** The number itself. Throws LedgeError value-invalid where it is not finite. */
export function finite(score: number, what: string): number {
  if (Number.isFinite(score)) return score;
  throw new LedgeError('value-invalid', `Cannot use ${what}: it is ${score}`);
}
