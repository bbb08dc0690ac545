/** The first two moments of feature vectors: what ridge regression needs of events that it never sees. */
export interface Moments {
  readonly count: number;
  readonly mean: Float64Array; // [size]
  readonly covariance: Float64Array; // [size, size], divided by the count
}

/** The moments of one or more rows of equal length. */
export function momentsOf(rows: readonly Float64Array[]): Moments {
  const size = rows[0]?.length ?? 0;
  const count = rows.length;
  const mean = new Float64Array(size);
  for (const row of rows) for (let at = 0; at < size; at += 1) mean[at]! += (row[at] ?? 0) / count;
  const covariance = new Float64Array(size * size);
  const centred = new Float64Array(size);
  for (const row of rows) {
    for (let at = 0; at < size; at += 1) centred[at] = (row[at] ?? 0) - (mean[at] ?? 0);
    for (let i = 0; i < size; i += 1) {
      const part = (centred[i] ?? 0) / count;
      for (let j = 0; j < size; j += 1) covariance[i * size + j]! += part * (centred[j] ?? 0);
    }
  }
  return { count, mean, covariance };
}

/** The variance of a weighted sum of features: weights * covariance * weights. */
export function varianceAlong({ covariance }: Moments, weights: Float64Array): number {
  const size = weights.length;
  let sum = 0;
  for (let i = 0; i < size; i += 1) {
    let row = 0;
    for (let j = 0; j < size; j += 1) row += (covariance[i * size + j] ?? 0) * (weights[j] ?? 0);
    sum += row * (weights[i] ?? 0);
  }
  return Math.max(0, sum);
}
