/** One score of a stretch of sound, and when it was told, ms. */
export interface Scored {
  readonly atMs: number;
  readonly score: number;
}

/** The flow's own: below it a wake word is over. */
const RELEASE = 0.5;
const REFRACTORY_MS = 2_000;

/** How often the flow would have woken at a threshold: as its threshold does, and once in two seconds. */
export function wakesAt(scores: readonly Scored[], threshold: number): number {
  let active = false;
  let last = -Infinity;
  let count = 0;
  for (const { atMs, score } of scores) {
    const before = active;
    active = score >= (active ? Math.min(RELEASE, threshold) : threshold);
    if (!active || before || atMs - last < REFRACTORY_MS) continue;
    last = atMs;
    count += 1;
  }
  return count;
}

/** A value of a sorted copy, at a part of its length. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}
