/** The shapes that a frame is weighted with before its spectrum is taken. */
export type WindowFunction = 'hann' | 'hamming' | 'povey' | 'rectangular';

/** `periodic` windows are made for overlapping frames, `symmetric` ones end as they begin. */
export type WindowSymmetry = 'periodic' | 'symmetric';

/**
 * The weights of a window of `size` samples.
 * Hann and Hamming as in Harris, "On the use of windows for harmonic analysis with the DFT" (1978);
 * Povey's is the Hann window to the power of 0.85, as in Kaldi.
 */
export function windowWeights(
  kind: WindowFunction,
  size: number,
  symmetry: WindowSymmetry = 'periodic',
): Float64Array {
  const weights = new Float64Array(size).fill(1);
  const period = symmetry === 'periodic' ? size : size - 1;
  if (kind === 'rectangular' || period < 1) return weights;
  const [mean, swing] = kind === 'hamming' ? [0.54, 0.46] : [0.5, 0.5];
  for (let index = 0; index < size; index++) {
    const weight = mean - swing * Math.cos((2 * Math.PI * index) / period);
    weights[index] = kind === 'povey' ? weight ** 0.85 : weight;
  }
  return weights;
}

/** Kaiser's window at `position` in -1..1; `beta` trades the main lobe against the side lobes. */
export function kaiserWeight(position: number, beta: number): number {
  const inside = 1 - position * position;
  return inside < 0 ? 0 : besselI0(beta * Math.sqrt(inside)) / besselI0(beta);
}

/** The modified Bessel function of the first kind and order 0, by its power series. */
function besselI0(x: number): number {
  let sum = 1;
  let term = 1;
  for (let k = 1; term > sum * 1e-17; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}
