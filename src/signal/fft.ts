/** Longest transform: 65,536 samples are 4 s at 16 kHz, and 1 MB of tables. */
export const FFT_SIZE_MAX = 65_536;

/** The discrete Fourier transform of real blocks of one size. */
export interface RealFft {
  readonly size: number;
  /** size / 2 + 1, from 0 Hz to half the sample rate. */
  readonly bins: number;
  /** Spectrum of `input` (read up to `size`), written to the first `bins` of `re` and `im`. */
  forward(input: Float64Array, re: Float64Array, im: Float64Array): void;
  /** The real block of a spectrum, divided by `size`, so that it undoes `forward`. */
  inverse(re: Float64Array, im: Float64Array, output: Float64Array): void;
}

/** The smallest power of two that is not below `size`. */
export function nextPowerOfTwo(size: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(1, size)));
}

/**
 * A real FFT of `size`, a power of two from 4 to FFT_SIZE_MAX: one complex transform of half the
 * size over even and odd samples. Source: Sorensen et al., "Real-valued fast Fourier transform
 * algorithms" (1987).
 * Throws RangeError for another size. One object works on one block at a time.
 */
export function createRealFft(size: number): RealFft {
  if (size < 4 || size > FFT_SIZE_MAX || nextPowerOfTwo(size) !== size) {
    throw new RangeError(`FFT size is ${size}, expected a power of two from 4 to ${FFT_SIZE_MAX}`);
  }
  const half = size / 2;
  const cos = new Float64Array(half); // cos and sin of 2 pi k / size
  const sin = new Float64Array(half);
  for (let k = 0; k < half; k++) {
    cos[k] = Math.cos((2 * Math.PI * k) / size);
    sin[k] = Math.sin((2 * Math.PI * k) / size);
  }
  const order = bitReversal(half);
  const re = new Float64Array(half);
  const im = new Float64Array(half);
  const tables: Tables = { half, cos, sin };

  return {
    size,
    bins: half + 1,
    forward(input, outRe, outIm) {
      for (let k = 0; k < half; k++) {
        const from = 2 * order[k]!;
        re[k] = input[from]!;
        im[k] = input[from + 1]!;
      }
      transform(re, im, tables);
      split(re, im, outRe, outIm, tables);
    },
    inverse(inRe, inIm, output) {
      merge(inRe, inIm, re, im, { tables, order });
      transform(re, im, tables);
      // The inverse is the forward transform of the conjugate; `merge` conjugated already.
      for (let k = 0; k < half; k++) {
        output[2 * k] = re[k]! / half;
        output[2 * k + 1] = -im[k]! / half;
      }
    },
  };
}

interface Tables {
  readonly half: number;
  readonly cos: Float64Array;
  readonly sin: Float64Array;
}

function bitReversal(size: number): Uint32Array {
  const bits = Math.log2(size);
  return Uint32Array.from({ length: size }, (_, index) => {
    let reversed = 0;
    for (let bit = 0; bit < bits; bit++) reversed |= ((index >> bit) & 1) << (bits - 1 - bit);
    return reversed;
  });
}

/** The complex transform in place, its input in bit-reversed order: radix 2, decimation in time. */
function transform(re: Float64Array, im: Float64Array, { half, cos, sin }: Tables): void {
  // The first stage's twiddle is 1: additions alone.
  for (let a = 0; a < half; a += 2) {
    const b = a + 1;
    const reB = re[b]!;
    const imB = im[b]!;
    re[b] = re[a]! - reB;
    im[b] = im[a]! - imB;
    re[a] = re[a]! + reB;
    im[a] = im[a]! + imB;
  }
  for (let span = 2; span < half; span *= 2) {
    const stride = half / span; // tables turn by 2 pi / (2 half) per entry
    for (let k = 0; k < span; k++) {
      const c = cos[k * stride]!;
      const s = sin[k * stride]!;
      for (let a = k; a < half; a += 2 * span) {
        const b = a + span;
        const reB = re[b]! * c + im[b]! * s;
        const imB = im[b]! * c - re[b]! * s;
        re[b] = re[a]! - reB;
        im[b] = im[a]! - imB;
        re[a] = re[a]! + reB;
        im[a] = im[a]! + imB;
      }
    }
  }
}

/** The spectrum of the real block out of the one of its even and odd samples. */
function split(
  re: Float64Array,
  im: Float64Array,
  outRe: Float64Array,
  outIm: Float64Array,
  { half, cos, sin }: Tables,
): void {
  outRe[0] = re[0]! + im[0]!;
  outIm[0] = 0;
  outRe[half] = re[0]! - im[0]!;
  outIm[half] = 0;
  for (let k = 1; k < half; k++) {
    const m = half - k;
    const evenRe = (re[k]! + re[m]!) / 2;
    const evenIm = (im[k]! - im[m]!) / 2;
    const oddRe = (im[k]! + im[m]!) / 2;
    const oddIm = (re[m]! - re[k]!) / 2;
    outRe[k] = evenRe + oddRe * cos[k]! + oddIm * sin[k]!;
    outIm[k] = evenIm + oddIm * cos[k]! - oddRe * sin[k]!;
  }
}

/** Undoes `split`, conjugates, and puts the result in bit-reversed order. */
function merge(
  inRe: Float64Array,
  inIm: Float64Array,
  re: Float64Array,
  im: Float64Array,
  { tables: { half, cos, sin }, order }: { tables: Tables; order: Uint32Array },
): void {
  for (let k = 0; k < half; k++) {
    const m = half - k;
    // A real block has a real first and last bin; what stands in their imaginary part is not read.
    const imK = k === 0 ? 0 : inIm[k]!;
    const imM = k === 0 ? 0 : inIm[m]!;
    const evenRe = (inRe[k]! + inRe[m]!) / 2;
    const evenIm = (imK - imM) / 2;
    const turnedRe = (inRe[k]! - inRe[m]!) / 2;
    const turnedIm = (imK + imM) / 2;
    const oddRe = turnedRe * cos[k]! - turnedIm * sin[k]!;
    const oddIm = turnedRe * sin[k]! + turnedIm * cos[k]!;
    const to = order[k]!; // bit reversal is its own inverse
    re[to] = evenRe - oddIm;
    im[to] = -(evenIm + oddRe);
  }
}
