import type { OutputPart } from '../infer/protocol.ts';

/** How far numbers are from those they stand for. */
export interface Difference {
  readonly maxError: number;
  readonly meanError: number;
  /** The largest magnitude of the reference: errors are read beside it. */
  readonly maxMagnitude: number;
  /** Signal to quantisation noise, in decibels; infinite where nothing differs. */
  readonly sqnrDb: number;
  readonly count: number;
}

/** Gathers differences over runs. */
export interface Comparison {
  add(reference: ArrayLike<number | bigint>, found: ArrayLike<number | bigint>): void;
  /** Of all that was added; an error that is no number counts as infinite. */
  difference(): Difference;
}

/** A comparison that has seen nothing. */
export function createComparison(): Comparison {
  let count = 0;
  let maxError = 0;
  let errors = 0;
  let squares = 0;
  let signal = 0;
  let maxMagnitude = 0;
  return {
    add(reference, found) {
      if (reference.length !== found.length) maxError = Number.POSITIVE_INFINITY;
      const length = Math.min(reference.length, found.length);
      for (let at = 0; at < length; at += 1) {
        const wanted = Number(reference[at]);
        const error = Math.abs(wanted - Number(found[at]));
        // The same infinity, or no number on both sides, is no difference.
        if (Object.is(wanted, Number(found[at])) || wanted === Number(found[at])) {
          if (Number.isFinite(wanted)) {
            signal += wanted * wanted;
            maxMagnitude = Math.max(maxMagnitude, Math.abs(wanted));
          }
          continue;
        }
        maxError = Math.max(maxError, Number.isNaN(error) ? Number.POSITIVE_INFINITY : error);
        errors += error;
        squares += error * error;
        signal += wanted * wanted;
        maxMagnitude = Math.max(maxMagnitude, Math.abs(wanted));
      }
      count += length;
    },
    difference() {
      const sqnrDb = squares === 0 ? Number.POSITIVE_INFINITY : 10 * Math.log10(signal / squares);
      const meanError = count === 0 ? 0 : errors / count;
      return { maxError, meanError, maxMagnitude, sqnrDb, count };
    },
  };
}

/** The difference of two runs' outputs, all of them together. */
export function compareOutputs(
  reference: readonly OutputPart[],
  found: readonly OutputPart[],
): Difference {
  const comparison = createComparison();
  for (const [at, one] of reference.entries()) comparison.add(one.data, found[at]?.data ?? []);
  return comparison.difference();
}
