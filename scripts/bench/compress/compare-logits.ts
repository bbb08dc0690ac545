import { createComparison, type Difference } from '../../../src/compress/compare.ts';

/** How far a language model's predictions are from those of the model it stands for. */
export interface LogitError extends Difference {
  /** Kullback-Leibler divergence from the reference's distribution, nats per token. */
  readonly divergence: number;
  /** Share of places where both would say the same token next. */
  readonly agreement: number;
}

/** Compares logits [tokens, vocabulary]. */
export function compareLogits(
  reference: Float32Array,
  found: Float32Array,
  vocabulary: number,
): LogitError {
  const comparison = createComparison();
  comparison.add(reference, found);
  const tokens = reference.length / vocabulary;
  let divergence = 0;
  let agreed = 0;
  for (let token = 0; token < tokens; token += 1) {
    const wanted = reference.subarray(token * vocabulary, (token + 1) * vocabulary);
    const given = found.subarray(token * vocabulary, (token + 1) * vocabulary);
    const [p, q] = [logTotal(wanted), logTotal(given)];
    for (let at = 0; at < vocabulary; at += 1) {
      const log = wanted[at]! - p.total;
      divergence += Math.exp(log) * (log - (given[at]! - q.total));
    }
    if (p.best === q.best) agreed += 1;
  }
  return {
    ...comparison.difference(),
    divergence: divergence / tokens,
    agreement: agreed / tokens,
  };
}

/** The logarithm of the sum of all exponentials, and the place of the largest. */
export function logTotal(logits: ArrayLike<number>): {
  readonly total: number;
  readonly best: number;
} {
  let best = 0;
  for (let at = 1; at < logits.length; at += 1) if (logits[at]! > logits[best]!) best = at;
  let sum = 0;
  for (let at = 0; at < logits.length; at += 1) sum += Math.exp(logits[at]! - logits[best]!);
  return { total: logits[best]! + Math.log(sum), best };
}
