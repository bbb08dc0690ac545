/** Bins of a histogram: what TensorRT and onnxruntime use. */
const BINS = 2048;
/** Whole numbers of eight bits. */
const LEVELS = 256;
/** Ranges tried between the whole one and this share of it. */
const SHRINK_MIN = 0.2;
const SHRINK_STEPS = 80;

/** Which range of a value's numbers is worth the 256 levels. */
export type Calibration = 'min-max' | 'percentile' | 'entropy' | 'mse';

/** The range that eight bits stand for; it holds 0. */
export interface Range {
  readonly min: number;
  readonly max: number;
}

/** How often which numbers occurred, between two bounds that were known before. */
export interface Histogram {
  add(values: ArrayLike<number | bigint>): void;
  range(method: Calibration, percentile: number): Range;
}

/** The bounds of what was seen; 0 is always within, since it must be exact. */
export function widen(range: Range | undefined, values: ArrayLike<number | bigint>): Range {
  let { min, max } = range ?? { min: 0, max: 0 };
  for (let at = 0; at < values.length; at += 1) {
    const value = Number(values[at]);
    if (value < min) min = value;
    else if (value > max) max = value;
  }
  return { min, max };
}

/** A histogram over a range that holds all that will be added. */
export function createHistogram(whole: Range): Histogram {
  const counts = new Float64Array(BINS);
  const width = (whole.max - whole.min) / BINS || 1;
  let total = 0;
  return {
    add(values) {
      for (let at = 0; at < values.length; at += 1) {
        const bin = Math.floor((Number(values[at]) - whole.min) / width);
        counts[bin < 0 ? 0 : bin >= BINS ? BINS - 1 : bin]! += 1;
      }
      total += values.length;
    },
    range(method, percentile) {
      if (method === 'min-max' || total === 0) return whole;
      if (method === 'percentile') return ofPercentile(counts, { whole, width, total, percentile });
      const cost = method === 'mse' ? squaredError : divergence;
      return leastCost(counts, { whole, width }, cost);
    },
  };
}

interface Bins {
  readonly whole: Range;
  readonly width: number;
}

/** The range that holds this share of the numbers, the same share cut at both ends. */
function ofPercentile(
  counts: Float64Array,
  options: Bins & { readonly total: number; readonly percentile: number },
): Range {
  const { whole, width, total, percentile } = options;
  const cut = (total * (1 - percentile / 100)) / 2;
  let low = 0;
  for (let sum = counts[0]!; sum < cut && low < BINS - 1; sum += counts[low]!) low += 1;
  let high = BINS - 1;
  for (let sum = counts[high]!; sum < cut && high > low; sum += counts[high]!) high -= 1;
  const min = Math.min(0, whole.min + low * width);
  return { min, max: Math.max(0, whole.min + (high + 1) * width) };
}

type Cost = (counts: Float64Array, bins: Bins, range: Range) => number;

/** The range with the least cost, both ends drawn in by the same share. */
function leastCost(counts: Float64Array, bins: Bins, cost: Cost): Range {
  let best = bins.whole;
  let least = Number.POSITIVE_INFINITY;
  for (let step = 0; step <= SHRINK_STEPS; step += 1) {
    const share = 1 - ((1 - SHRINK_MIN) * step) / SHRINK_STEPS;
    const range = { min: bins.whole.min * share, max: bins.whole.max * share };
    const found = cost(counts, bins, range);
    if (found < least) [least, best] = [found, range];
  }
  return best;
}

/** Expected squared error: of rounding within the range, of cutting outside it. */
function squaredError(counts: Float64Array, { whole, width }: Bins, range: Range): number {
  const step = (range.max - range.min) / (LEVELS - 1) || 1;
  let error = 0;
  for (let bin = 0; bin < BINS; bin += 1) {
    if (counts[bin] === 0) continue;
    const value = whole.min + (bin + 0.5) * width;
    const over = value > range.max ? value - range.max : value < range.min ? range.min - value : 0;
    error += counts[bin]! * (over > 0 ? over * over : (step * step) / 12);
  }
  return error;
}

/**
 * Kullback-Leibler divergence of the numbers, cut to the range, from what 256 levels leave of them
 * [Migacz, 8-bit inference with TensorRT, 2017].
 */
function divergence(counts: Float64Array, { whole, width }: Bins, range: Range): number {
  const first = Math.max(0, Math.floor((range.min - whole.min) / width));
  const last = Math.min(BINS - 1, Math.ceil((range.max - whole.min) / width) - 1);
  const kept = counts.slice(first, last + 1);
  const inside = kept.slice();
  for (let bin = 0; bin < first; bin += 1) kept[0]! += counts[bin]!;
  for (let bin = last + 1; bin < BINS; bin += 1) kept[kept.length - 1]! += counts[bin]!;
  const total = kept.reduce((sum, count) => sum + count, 0);
  const levels = Math.min(LEVELS, kept.length);
  const spread = new Float64Array(kept.length);
  for (let level = 0; level < levels; level += 1) {
    const start = Math.floor((level * kept.length) / levels);
    const end = Math.floor(((level + 1) * kept.length) / levels);
    let sum = 0;
    let filled = 0;
    for (let bin = start; bin < end; bin += 1) {
      sum += inside[bin]!;
      if (kept[bin]! > 0) filled += 1;
    }
    for (let bin = start; bin < end; bin += 1) {
      if (kept[bin]! > 0) spread[bin] = sum / filled;
    }
  }
  const spreadTotal = spread.reduce((sum, count) => sum + count, 0);
  let result = 0;
  for (const [bin, count] of kept.entries()) {
    if (count === 0) continue;
    const found = spread[bin]! / spreadTotal;
    // A bin that holds only what was cut: a small chance instead of none.
    result += (count / total) * Math.log(count / total / Math.max(found, 1e-9));
  }
  return result;
}
