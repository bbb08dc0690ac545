/** Which mel scale: HTK's (TensorFlow, Kaldi) or Slaney's Auditory Toolbox (librosa). */
export type MelScale = 'htk' | 'slaney';

/** `mel`: triangles are straight over mel (TensorFlow, Kaldi); `hertz`: over hertz (librosa). */
export type MelSlope = 'mel' | 'hertz';

/** `none`: every triangle is 1 high; `slaney`: every triangle has the same area. */
export type MelNorm = 'none' | 'slaney';

export interface MelOptions {
  readonly sampleRateHz: number;
  readonly fftSize: number;
  readonly bands: number;
  readonly lowHz: number;
  readonly highHz: number;
  readonly scale: MelScale;
  readonly slope: MelSlope;
  readonly norm: MelNorm;
}

/** Triangles over the bins of a spectrum; each holds only the bins that count for it. */
export interface MelBank {
  readonly bands: number;
  readonly bins: number;
  /** First bin of every band. */
  readonly starts: Uint32Array;
  /** Weights of every band from its first bin on. */
  readonly weights: readonly Float64Array[];
}

/** Slaney: linear up to 1 kHz at 66.67 Hz per mel, then 27 mels per factor of 6.4. */
const SLANEY_HZ_PER_MEL = 200 / 3;
const SLANEY_KNEE_HZ = 1000;
const SLANEY_KNEE_MEL = SLANEY_KNEE_HZ / SLANEY_HZ_PER_MEL;
const SLANEY_LOG_STEP = Math.log(6.4) / 27;

/** Frequency in hertz to mel. HTK: 1127 ln(1 + f / 700) (Young et al., The HTK Book). */
export function hertzToMel(hertz: number, scale: MelScale): number {
  if (scale === 'htk') return 1127 * Math.log1p(hertz / 700);
  if (hertz < SLANEY_KNEE_HZ) return hertz / SLANEY_HZ_PER_MEL;
  return SLANEY_KNEE_MEL + Math.log(hertz / SLANEY_KNEE_HZ) / SLANEY_LOG_STEP;
}

/** Undoes hertzToMel. */
export function melToHertz(mel: number, scale: MelScale): number {
  if (scale === 'htk') return 700 * Math.expm1(mel / 1127);
  if (mel < SLANEY_KNEE_MEL) return mel * SLANEY_HZ_PER_MEL;
  return SLANEY_KNEE_HZ * Math.exp((mel - SLANEY_KNEE_MEL) * SLANEY_LOG_STEP);
}

/**
 * Mel filters with their edges evenly spaced in mel from lowHz to highHz.
 * Equal to TensorFlow's linear_to_mel_weight_matrix (htk, mel, none), to Kaldi's (the same over all
 * bins) and to librosa's mel filters (slaney, hertz, slaney). Throws RangeError for odd limits.
 */
export function createMelBank(options: MelOptions): MelBank {
  const { sampleRateHz, fftSize, bands, lowHz, highHz, scale, slope, norm } = options;
  if (!(lowHz >= 0 && lowHz < highHz && highHz <= sampleRateHz / 2)) {
    throw new RangeError(`mel bands from ${lowHz} to ${highHz} Hz at ${sampleRateHz} samples/s`);
  }
  const low = hertzToMel(lowHz, scale);
  const step = (hertzToMel(highHz, scale) - low) / (bands + 1);
  const edge = (index: number): number => {
    const mel = low + index * step;
    return slope === 'mel' ? mel : melToHertz(mel, scale);
  };
  const bins = fftSize / 2 + 1;
  const positions = Float64Array.from({ length: bins }, (_, bin) => {
    const hertz = (bin * sampleRateHz) / fftSize;
    return slope === 'mel' ? hertzToMel(hertz, scale) : hertz;
  });
  const starts = new Uint32Array(bands);
  const weights: Float64Array[] = [];
  for (let band = 0; band < bands; band++) {
    const edges = [edge(band), edge(band + 1), edge(band + 2)] as const;
    const width = melToHertz(low + (band + 2) * step, scale) - melToHertz(low + band * step, scale);
    const height = norm === 'slaney' ? 2 / width : 1;
    const { start, values } = triangle(positions, edges, height);
    starts[band] = start;
    weights.push(values);
  }
  return { bands, bins, starts, weights };
}

/** The bins strictly inside a triangle. 0 Hz is in none: it is no sound, only an offset. */
function triangle(
  positions: Float64Array,
  [left, centre, right]: readonly [number, number, number],
  height: number,
): { start: number; values: Float64Array } {
  let start = 1;
  while (start < positions.length && positions[start]! <= left) start++;
  let end = start;
  while (end < positions.length && positions[end]! < right) end++;
  const values = positions.slice(start, end).map((position) => {
    const rising = (position - left) / (centre - left);
    const falling = (right - position) / (right - centre);
    return Math.max(0, Math.min(rising, falling)) * height;
  });
  return { start, values };
}

/** The energy in every band of a spectrum, into `out` from `offset` on. */
export function applyMelBank(
  { starts, weights }: MelBank,
  spectrum: Float64Array,
  out: Float64Array | Float32Array,
  offset = 0,
): void {
  for (let band = 0; band < weights.length; band++) {
    const row = weights[band]!;
    const start = starts[band]!;
    let sum = 0;
    for (let index = 0; index < row.length; index++) sum += row[index]! * spectrum[start + index]!;
    out[offset + band] = sum;
  }
}
