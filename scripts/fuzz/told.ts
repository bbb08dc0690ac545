import { FieldError } from '../../src/flow/stage.ts';
import { LedgeError } from '../../src/std/error.ts';

/** Whether a thrown thing is what a parser may throw: an error that tells, never a fault of ours. */
export function isTold(thrown: unknown): boolean {
  if (thrown instanceof LedgeError) return thrown.code !== 'internal';
  return thrown instanceof FieldError;
}
