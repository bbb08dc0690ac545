import type { Decoder } from './decoder.ts';

/** Tokens of one text; the model's first token is the sign that a text begins. */
export interface GenerateOptions {
  readonly vocabulary: number;
  readonly begin: number;
  readonly tokensMax: number;
  /** Numbers between 0 and 1. */
  readonly random: () => number;
}

/** Writes a text token by token, each drawn by its probability. The sign of the beginning comes first. */
export async function generateText(
  decoder: Decoder,
  { vocabulary, begin, tokensMax, random }: GenerateOptions,
): Promise<readonly number[]> {
  decoder.reset();
  const tokens = [begin];
  while (tokens.length < tokensMax) {
    const logits = await decoder.step([tokens.at(-1)!]);
    const next = drawToken(logits.subarray(logits.length - vocabulary), random());
    // Another beginning is the end of this text.
    if (next === begin) break;
    tokens.push(next);
  }
  return tokens;
}

/** The token at which the sum of probabilities passes `share` (0 to 1). */
export function drawToken(logits: ArrayLike<number>, share: number): number {
  const most = Math.max(...Array.from(logits));
  const weights = Array.from(logits, (logit) => Math.exp(logit - most));
  let left = share * weights.reduce((sum, weight) => sum + weight, 0);
  for (const [token, weight] of weights.entries()) {
    left -= weight;
    if (left < 0) return token;
  }
  return weights.length - 1;
}

/** How many tokens a model hesitates between, in the mean: exp of the mean negative log probability. */
export async function perplexityOf(
  decoder: Decoder,
  texts: readonly (readonly number[])[],
  vocabulary: number,
): Promise<number> {
  let surprise = 0;
  let count = 0;
  for (const tokens of texts) {
    decoder.reset();
    const logits = await decoder.step(tokens.slice(0, -1));
    for (const [at, next] of tokens.slice(1).entries()) {
      const row = logits.subarray(at * vocabulary, (at + 1) * vocabulary);
      surprise += logSum(row) - row[next]!;
      count += 1;
    }
  }
  return Math.exp(surprise / count);
}

function logSum(logits: ArrayLike<number>): number {
  let most = Number.NEGATIVE_INFINITY;
  for (let at = 0; at < logits.length; at += 1) most = Math.max(most, logits[at]!);
  let sum = 0;
  for (let at = 0; at < logits.length; at += 1) sum += Math.exp(logits[at]! - most);
  return most + Math.log(sum);
}
