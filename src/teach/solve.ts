import { factorise, solve } from '../tensor/cholesky.ts';
import type { TaughtRow } from './head.ts';
import { type Moments, varianceAlong } from './moments.ts';

/** Strengths of the ridge that are tried, on features of variance 1. */
const RIDGES = [0.03, 0.1, 0.3, 1, 3] as const;
/** A false alarm weighs as much as this many misses: known events are many, new ones few. */
const FALSE_WEIGHT = 5;
/** Thresholds tried between the known labels and the new one. */
const THRESHOLDS = 200;
/** Log-odds of a typical example at most: a handful of examples cannot make surer than 0.997. */
const MARGIN_MAX = 6;
/** How many unseen examples the known labels' spread counts for: five are too few to tell a spread. */
const SPREAD_PRIOR = 4;

/** A label learned from examples, and how it did on those it was not learned from. */
export interface Learned {
  readonly row: TaughtRow;
  /** For each example: its margin by a row learned from all others (leave one out). */
  readonly leftOutMargins: readonly number[];
  /** The share of known events that would be taken for it, if features of a label are normal. */
  readonly falseShare: number;
  readonly ridge: number;
}

/**
 * Learns to tell examples [n][size] from known labels, of which only the moments are there: ridge
 * regression to +1 and -1, examples and known labels weighing the same, the ridge chosen by the
 * distance of left-out examples. Margins are log-odds: the sigmoid of a margin is a probability.
 */
export function learnRow(examples: readonly Float64Array[], known: readonly Moments[]): Learned {
  const frame = frameOf(known);
  const groups = known.map((one) => standardised(one, frame));
  const rows = examples.map((row) => standardise(row, frame));
  const fits = RIDGES.map((ridge) => fitRow(rows, groups, ridge));
  const best = fits.reduce((a, b) => (b.distance > a.distance ? b : a));
  const { threshold, slope, falseShare } = calibrate(best);
  const size = frame.mean.length;
  const weights = new Float64Array(size);
  let bias = slope * ((best.weights[size] ?? 0) - threshold);
  for (let at = 0; at < size; at += 1) {
    weights[at] = (slope * (best.weights[at] ?? 0)) / (frame.scale[at] ?? 1);
    bias -= (weights[at] ?? 0) * (frame.mean[at] ?? 0);
  }
  const leftOutMargins = best.leftOut.map((score) => slope * (score - threshold));
  return { row: { weights, bias }, leftOutMargins, falseShare, ridge: best.ridge };
}

interface Frame {
  readonly mean: Float64Array;
  readonly scale: Float64Array;
}

/** Mean and spread of each feature over all known labels, which weigh the same. */
function frameOf(known: readonly Moments[]): Frame {
  const size = known[0]?.mean.length ?? 0;
  const mean = new Float64Array(size);
  const square = new Float64Array(size);
  for (const group of known) {
    for (let at = 0; at < size; at += 1) {
      const centre = group.mean[at] ?? 0;
      mean[at]! += centre / known.length;
      square[at]! += (centre ** 2 + (group.covariance[at * size + at] ?? 0)) / known.length;
    }
  }
  // A feature that never moved (a dead unit) must not be divided by nothing.
  const scale = mean.map((m, at) =>
    Math.sqrt(Math.max((square[at] ?? 0) - m * m, 1e-6 + m * m * 1e-6)),
  );
  return { mean, scale };
}

function standardise(row: Float64Array, { mean, scale }: Frame): Float64Array {
  const out = new Float64Array(row.length + 1);
  for (let at = 0; at < row.length; at += 1) {
    out[at] = ((row[at] ?? 0) - (mean[at] ?? 0)) / (scale[at] ?? 1);
  }
  out[row.length] = 1; // the bias
  return out;
}

/** A label of few events spreads wider than they do: as much as all labels, for one event. */
function standardised({ count, mean, covariance }: Moments, frame: Frame): Moments {
  const size = mean.length;
  const wide = size + 1;
  const spread = new Float64Array(wide * wide);
  for (let i = 0; i < size; i += 1) {
    for (let j = 0; j < size; j += 1) {
      const unit = (frame.scale[i] ?? 1) * (frame.scale[j] ?? 1);
      spread[i * wide + j] = (covariance[i * size + j] ?? 0) / unit;
    }
    spread[i * wide + i]! += 1 / (count + 1);
  }
  return { count, mean: standardise(mean, frame), covariance: spread };
}

interface Fit {
  readonly ridge: number;
  readonly weights: Float64Array; // [size + 1]
  /** Score of each example by the others. */
  readonly leftOut: readonly number[];
  readonly groups: readonly { readonly mean: number; readonly variance: number }[];
  /** Between left-out examples and the nearest known label, in spreads. */
  readonly distance: number;
}

/**
 * Minimises E_known (w x + 1)^2 + (1/n) sum (w x_i - 1)^2 + ridge |w|^2. The examples are a change of
 * low rank to what is known (Woodbury), so that leaving one out costs a system of n unknowns.
 */
function fitRow(rows: readonly Float64Array[], groups: readonly Moments[], ridge: number): Fit {
  const wide = groups[0]?.mean.length ?? 0;
  const { matrix, mean } = second(groups, wide);
  for (let at = 0; at < wide - 1; at += 1) matrix[at * wide + at]! += ridge;
  // The bias is not held small, but the system must have one solution.
  matrix[wide * wide - 1]! += 1e-6;
  const factor = factorise(matrix, wide);
  const centre = solve(factor, mean);
  const columns = rows.map((row) => solve(factor, row));
  const gram = rows.map((row) => Float64Array.from(columns, (column) => dot(row, column)));
  const heights = Float64Array.from(rows, (row) => dot(row, centre));
  const all = rows.map((_, at) => at);
  const shares = sharesOf(all, gram, heights);
  const weights = centre.map((value) => -value);
  all.forEach((at, index) => {
    const column = columns[at] as Float64Array;
    for (let k = 0; k < wide; k += 1) weights[k]! += (shares[index] ?? 0) * (column[k] ?? 0);
  });
  const leftOut = all.map((left) => {
    const others = all.filter((at) => at !== left);
    const without = sharesOf(others, gram, heights);
    const sum = others.reduce((total, at, index) => {
      return total + (without[index] ?? 0) * (gram[left]?.[at] ?? 0);
    }, 0);
    return sum - (heights[left] ?? 0);
  });
  const scores = groups.map((group) => ({
    mean: dot(group.mean, weights),
    variance: varianceAlong(group, weights),
  }));
  return { ridge, weights, leftOut, groups: scores, distance: distanceOf(leftOut, scores) };
}

/** The multipliers of the examples `at`: (I + G / n) a = (1 + h) / n. */
function sharesOf(
  at: readonly number[],
  gram: readonly Float64Array[],
  heights: Float64Array,
): Float64Array {
  const n = at.length;
  if (n === 0) return new Float64Array();
  const system = new Float64Array(n * n);
  at.forEach((row, i) => {
    at.forEach((column, j) => {
      system[i * n + j] = (gram[row]?.[column] ?? 0) / n + (i === j ? 1 : 0);
    });
  });
  const wanted = Float64Array.from(at, (row) => (1 + (heights[row] ?? 0)) / n);
  return solve(factorise(system, n), wanted);
}

function second(groups: readonly Moments[], wide: number) {
  const matrix = new Float64Array(wide * wide);
  const mean = new Float64Array(wide);
  for (const group of groups) {
    for (let i = 0; i < wide; i += 1) {
      const m = group.mean[i] ?? 0;
      mean[i]! += m / groups.length;
      for (let j = 0; j < wide; j += 1) {
        const moment = (group.covariance[i * wide + j] ?? 0) + m * (group.mean[j] ?? 0);
        matrix[i * wide + j]! += moment / groups.length;
      }
    }
  }
  return { matrix, mean };
}

function distanceOf(leftOut: readonly number[], groups: Fit['groups']): number {
  const new_ = spreadOf(leftOut, groups);
  const distances = groups.map(
    ({ mean, variance }) => (new_.mean - mean) / Math.sqrt((variance + new_.variance) / 2 + 1e-12),
  );
  return Math.min(...distances);
}

/** Mean and variance of the left-out examples; few of them lean on the known labels' variance. */
function spreadOf(leftOut: readonly number[], groups: Fit['groups']) {
  const n = leftOut.length;
  const mean = leftOut.reduce((sum, score) => sum + score, 0) / n;
  const squares = leftOut.reduce((sum, score) => sum + (score - mean) ** 2, 0);
  const usual = groups.reduce((sum, { variance }) => sum + variance, 0) / groups.length;
  return { mean, variance: (squares + usual * SPREAD_PRIOR) / (n - 1 + SPREAD_PRIOR) };
}

/** Where the new label begins: where misses and false alarms together cost least. */
function calibrate({ leftOut, groups }: Fit) {
  const found = spreadOf(leftOut, groups);
  const hardest = groups.reduce((a, b) => (b.mean > a.mean ? b : a));
  const falseAt = (threshold: number) =>
    groups.reduce((sum, one) => sum + above(threshold, one), 0) / groups.length;
  let threshold = found.mean;
  let least = Number.POSITIVE_INFINITY;
  for (let step = 0; step < THRESHOLDS; step += 1) {
    const share = step / THRESHOLDS;
    const tried = found.mean - share * Math.max(1e-9, found.mean - hardest.mean);
    const cost = 1 - above(tried, found) + FALSE_WEIGHT * falseAt(tried);
    if (cost < least) [threshold, least] = [tried, cost];
  }
  const variance = (found.variance + hardest.variance) / 2 + 1e-9;
  const steep = Math.max(1e-6, found.mean - hardest.mean) / variance;
  const slope = Math.min(steep, MARGIN_MAX / Math.max(1e-9, found.mean - threshold));
  return { threshold, slope, falseShare: falseAt(threshold) };
}

/** The share of a normal distribution above a threshold. */
function above(threshold: number, { mean, variance }: { mean: number; variance: number }): number {
  const z = (threshold - mean) / Math.sqrt(variance + 1e-12);
  // Logistic approximation of the normal distribution function, off by 0.0095 at most: Bowling et al.,
  // "A logistic approximation to the cumulative normal distribution" (2009), with its cubic term 1.4e-4.
  return 1 / (1 + Math.exp(1.5976 * z + 0.07056 * z ** 3));
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let at = 0; at < a.length; at += 1) sum += (a[at] ?? 0) * (b[at] ?? 0);
  return sum;
}
