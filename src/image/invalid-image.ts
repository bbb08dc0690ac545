import { LedgeError } from '../std/error.ts';

/** A payload-invalid error for an image whose bytes do not hold together. */
export function invalidImage(format: string, problem: string, cause?: unknown): LedgeError {
  return new LedgeError('payload-invalid', `Cannot read ${format} image: ${problem}`, {
    ...(cause === undefined ? {} : { cause }),
    context: { format },
  });
}
