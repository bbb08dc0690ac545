/** Kaldi's and HTK's pre-emphasis: y[n] = x[n] - factor x[n - 1], the first against itself. */
export function preEmphasise(frame: Float64Array, length: number, factor: number): void {
  for (let index = length - 1; index > 0; index--) {
    frame[index] = frame[index]! - factor * frame[index - 1]!;
  }
  frame[0] = frame[0]! - factor * frame[0]!;
}

/** Takes the mean of the first `length` samples away. */
export function removeOffset(frame: Float64Array, length: number): void {
  let sum = 0;
  for (let index = 0; index < length; index++) sum += frame[index]!;
  const mean = sum / length;
  for (let index = 0; index < length; index++) frame[index] = frame[index]! - mean;
}

/** A filter with a memory: block after block of one signal. */
export interface SignalFilter {
  /** A new buffer of the same length. */
  push(block: Float32Array): Float32Array;
}

/**
 * A second-order Butterworth high-pass: 3 dB down at `cutoffHz`, 12 dB per octave below it.
 * Source: Bristow-Johnson, "Audio EQ cookbook", with Q = 1 / sqrt(2). Throws RangeError where the
 * cut-off is not between 0 and half the sample rate.
 */
export function createHighPass(cutoffHz: number, sampleRateHz: number): SignalFilter {
  if (!(cutoffHz > 0 && cutoffHz < sampleRateHz / 2)) {
    throw new RangeError(`high-pass at ${cutoffHz} Hz for ${sampleRateHz} samples/s`);
  }
  const omega = (2 * Math.PI * cutoffHz) / sampleRateHz;
  const cos = Math.cos(omega);
  const alpha = Math.sin(omega) / Math.SQRT2;
  const a0 = 1 + alpha;
  const b0 = (1 + cos) / 2 / a0;
  const b1 = -(1 + cos) / a0;
  const a1 = (-2 * cos) / a0;
  const a2 = (1 - alpha) / a0;
  let first = 0; // transposed direct form II
  let second = 0;
  return {
    push(block) {
      const output = new Float32Array(block.length);
      for (let index = 0; index < block.length; index++) {
        const x = block[index]!;
        const y = b0 * x + first;
        first = b1 * x - a1 * y + second;
        second = b0 * x - a2 * y;
        output[index] = y;
      }
      return output;
    },
  };
}
