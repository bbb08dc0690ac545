/**
 * How the DCT-II is scaled: `ortho` (librosa, Kaldi), or `tensorflow` as in
 * tf.signal.mfccs_from_log_mel_spectrograms, where the first coefficient is sqrt(2) larger.
 */
export type DctNorm = 'ortho' | 'tensorflow';

/** The first `coefficients` rows of the DCT-II over `size` values, row after row, scaled. */
export function dctMatrix(size: number, coefficients: number, norm: DctNorm): Float64Array {
  const matrix = new Float64Array(coefficients * size);
  for (let k = 0; k < coefficients; k++) {
    const scale = Math.sqrt((k === 0 && norm === 'ortho' ? 1 : 2) / size);
    for (let n = 0; n < size; n++) {
      matrix[k * size + n] = scale * Math.cos((Math.PI * k * (2 * n + 1)) / (2 * size));
    }
  }
  return matrix;
}

/** Kaldi's and HTK's liftering: coefficient k times 1 + lifter / 2 sin(pi k / lifter). */
export function lifterWeights(coefficients: number, lifter: number): Float64Array {
  return Float64Array.from({ length: coefficients }, (_, k) =>
    lifter === 0 ? 1 : 1 + (lifter / 2) * Math.sin((Math.PI * k) / lifter),
  );
}
