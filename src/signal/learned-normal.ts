import { inverseSquareRoot, multiply, norm } from '../tensor/linear-algebra.ts';

/**
 * Added to the variance of every field's window mean, in units of the field's own variance: a field
 * that hardly moved while learning may then move by 3 % of its deviation before it counts.
 */
const SHRINKAGE = 1e-3;
/** A distance of 1 is what this share of the learned windows stayed below. */
const QUANTILE = 0.99;
/** A constant field counts a change by this part of its value as one deviation. */
const CONSTANT_PART = 0.01;
/** A deviation smaller than this part of the mean is rounding, not movement. */
const ROUNDING_PART = 1e-9;
/** A value nearer to 0 than this is 0: a part of it may not be a number to divide by. */
const SIZE_MIN = 1e-100;
/** More deviations than this say nothing more, and their squares must stay far from overflow. */
export const DEVIATIONS_MAX = 1e6;

/** What is normal of a machine, learned from rows of n fields. All arrays are float64. */
export interface LearnedNormal {
  readonly mean: Float64Array; // [n], in the fields' units
  readonly scale: Float64Array; // [n], in the fields' units
  readonly whiten: Float64Array; // [n, n], makes the distance of normal windows at most about 1
  readonly reference: Float64Array; // [n], mean of the scaled window means
}

/**
 * Learns the normal of rows [count, n]: each field's mean and deviation, and how the means of
 * `window` rows scatter together. Constant and linearly dependent fields are allowed.
 * Source: Mahalanobis distance of moving averages (Hotelling's T2), shrunk, as symmetric whitening.
 */
export function learnNormal(rows: Float64Array, n: number, window: number): LearnedNormal {
  const { mean, scale } = scaleOf(rows, n);
  const means = windowMeans(
    rows.map((value, i) => scaled(value, i % n, mean, scale)),
    n,
    window,
  );
  const reference = columnMeans(means, n);
  const centred = means.map((value, index) => value - (reference[index % n] as number));
  const whiten = inverseSquareRoot(covariance(centred, n), n);
  const limit = Math.max(1, quantile(distances(centred, n, whiten), QUANTILE));
  return { mean, scale, reference, whiten: whiten.map((value) => value / limit) };
}

/** One row in the learned fields' own deviations. */
export function scaleRow(row: Float64Array, { mean, scale }: LearnedNormal): Float64Array {
  return row.map((value, field) => scaled(value, field, mean, scale));
}

/** How far a window's mean is from the reference, by field; its length is the distance. */
export function deviationOf(
  windowMean: Float64Array,
  reference: Float64Array,
  { whiten }: LearnedNormal,
): Float64Array {
  return multiply(
    whiten,
    windowMean.map((value, field) => value - (reference[field] as number)),
  );
}

function scaled(value: number, field: number, mean: Float64Array, scale: Float64Array): number {
  const deviations = (value - (mean[field] as number)) / (scale[field] as number);
  return Math.min(DEVIATIONS_MAX, Math.max(-DEVIATIONS_MAX, deviations));
}

function scaleOf(rows: Float64Array, n: number): { mean: Float64Array; scale: Float64Array } {
  const mean = columnMeans(rows, n);
  const squares = rows.map((value, index) => (value - (mean[index % n] as number)) ** 2);
  const scale = columnMeans(squares, n).map((variance, field) => {
    const deviation = Math.sqrt(variance);
    const size = Math.abs(mean[field] as number);
    if (deviation > ROUNDING_PART * size) return deviation;
    return size < SIZE_MIN ? 1 : CONSTANT_PART * size;
  });
  return { mean, scale };
}

/** Means of every `window` rows that follow each other: [count - window + 1, n]. */
function windowMeans(rows: Float64Array, n: number, window: number): Float64Array {
  const means = new Float64Array(rows.length - (window - 1) * n);
  for (let at = 0; at < means.length; at++) {
    let sum = 0;
    for (let row = 0; row < window; row++) sum += rows[at + row * n] as number;
    means[at] = sum / window;
  }
  return means;
}

/** The mean of each of n columns of row-major rows. */
export function columnMeans(rows: Float64Array, n: number): Float64Array {
  const means = new Float64Array(n);
  const count = rows.length / n;
  for (let column = 0; column < n; column++) {
    let sum = 0;
    for (let at = column; at < rows.length; at += n) sum += rows[at] as number;
    means[column] = sum / count;
  }
  return means;
}

function covariance(centred: Float64Array, n: number): Float64Array {
  const matrix = new Float64Array(n * n);
  const count = centred.length / n;
  for (let row = 0; row < n; row++) {
    for (let column = 0; column <= row; column++) {
      let sum = 0;
      for (let at = 0; at < centred.length; at += n) {
        sum += (centred[at + row] as number) * (centred[at + column] as number);
      }
      const value = sum / Math.max(1, count - 1) + (row === column ? SHRINKAGE : 0);
      matrix[row * n + column] = value;
      matrix[column * n + row] = value;
    }
  }
  return matrix;
}

function distances(centred: Float64Array, n: number, whiten: Float64Array): Float64Array {
  return Float64Array.from({ length: centred.length / n }, (_, index) =>
    norm(multiply(whiten, centred.subarray(index * n, (index + 1) * n))),
  );
}

/** Linear interpolation between the two nearest ranks. */
function quantile(values: Float64Array, share: number): number {
  const sorted = Float64Array.from(values).sort();
  const rank = share * (sorted.length - 1);
  const low = sorted[Math.floor(rank)] as number;
  const high = sorted[Math.ceil(rank)] as number;
  return low + (high - low) * (rank - Math.floor(rank));
}
