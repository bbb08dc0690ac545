/** Whatever was learned: a word said clearly still wakes. What scores more is told by its likeness. */
export const THRESHOLD_MAX = 0.96;
/** Above the score of a false wake by so much, where nothing better is known. */
const MARGIN = 0.01;
/** Of ten wakes that led to a command, the weakest may be lost. */
const WEAK_PART = 0.1;

/** Scores of one site's wakes, the newest last. */
export interface WakeScores {
  /** Of wakes that somebody said were none. */
  readonly false: readonly number[];
  /** Of wakes after which a command was recognised. */
  readonly good: readonly number[];
}

/**
 * The threshold that a site's wakes must reach beside that of the flow. Without false wakes 0. With F,
 * the highest false score, and G, the 10th percentile of the good ones: halfway between F and G where
 * F < G, else G; F + 0.01 where there are no good ones. Never above 0.96.
 */
export function fitThreshold({ false: wrong, good }: WakeScores): number {
  if (wrong.length === 0) return 0;
  const highest = Math.max(...wrong);
  const sorted = [...good].sort((a, b) => a - b);
  const weak = sorted[Math.floor(sorted.length * WEAK_PART)];
  if (weak === undefined) return Math.min(THRESHOLD_MAX, highest + MARGIN);
  return Math.min(THRESHOLD_MAX, highest < weak ? (highest + weak) / 2 : weak);
}
