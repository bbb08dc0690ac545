import { LedgeError } from '../../std/error.ts';
import { fromFloat16Bits } from '../../tensor/float16.ts';
import type { Tensor } from '../../tensor/tensor.ts';

/** The elements of any numeric tensor as float32; a float32 tensor's own, not to be written to. */
export function float32Of(tensor: Tensor): Float32Array {
  if (tensor.data instanceof Float32Array) return tensor.data;
  const { length } = tensor.data;
  const numbers = new Float32Array(length);
  const half = tensor.type === 'float16';
  for (let index = 0; index < length; index += 1) {
    const element = Number(tensor.data[index]);
    numbers[index] = half ? fromFloat16Bits(element) : element;
  }
  return numbers;
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
