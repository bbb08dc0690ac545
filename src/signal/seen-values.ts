/** Values kept of one series: at a resolution of a tenth of a deviation a hundred deviations' worth. */
export const KEPT_MAX = 1024;
/** A series that never moved counts a change by this part of its value as one deviation. */
const CONSTANT_PART = 0.01;
/** A deviation smaller than this part of the mean is rounding, not movement. */
const ROUNDING_PART = 1e-9;
/** A size nearer to 0 than this is 0: a part of it may not be a number to divide by. */
const SIZE_MIN = 1e-100;

/** What was seen of one series of numbers: not how often, only that there was such a value. */
export interface SeenValues {
  /** Ascending, no two nearer than the resolution was when the later one came; at most KEPT_MAX. */
  readonly kept: number[];
  count: number;
  mean: number;
  /** Sum of squared differences from the mean [Welford 1962]. */
  squares: number;
}

/** Nothing seen. */
export function createSeenValues(): SeenValues {
  return { kept: [], count: 0, mean: 0, squares: 0 };
}

/**
 * How far a value lies from the nearest one seen before, in deviations of all that was seen; 0 for
 * the first. The value is seen from then on, and so new only once. `resolution`, in deviations, is
 * how near a value may lie to a kept one without being kept itself.
 */
export function takeValue(seen: SeenValues, value: number, resolution: number): number {
  const at = placeOf(seen.kept, value);
  const gap = Math.min(distanceAt(seen.kept, at - 1, value), distanceAt(seen.kept, at, value));
  const novelty = seen.count === 0 ? 0 : gap / deviationOf(seen);
  if (seen.count === 0 || novelty > resolution) {
    seen.kept.splice(at, 0, value);
    if (seen.kept.length > KEPT_MAX) dropCrowded(seen.kept);
  }
  seen.count += 1;
  const difference = value - seen.mean;
  seen.mean += difference / seen.count;
  seen.squares += difference * (value - seen.mean);
  return novelty;
}

function deviationOf({ squares, count, mean }: SeenValues): number {
  const deviation = Math.sqrt(squares / count);
  const size = Math.abs(mean);
  if (deviation > Math.max(SIZE_MIN, ROUNDING_PART * size)) return deviation;
  return size < SIZE_MIN ? 1 : CONSTANT_PART * size;
}

/** The first place whose value is not below. */
function placeOf(kept: readonly number[], value: number): number {
  let [low, high] = [0, kept.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((kept[middle] as number) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

function distanceAt(kept: readonly number[], at: number, value: number): number {
  const found = kept[at];
  return found === undefined ? Number.POSITIVE_INFINITY : Math.abs(value - found);
}

/** Takes the inner value away whose neighbours lie nearest to each other: it says least. */
function dropCrowded(kept: number[]): void {
  let [best, at] = [Number.POSITIVE_INFINITY, 1];
  for (let index = 1; index < kept.length - 1; index++) {
    const span = (kept[index + 1] as number) - (kept[index - 1] as number);
    if (span < best) [best, at] = [span, index];
  }
  kept.splice(at, 1);
}
