import { kaiserWeight } from './window-function.ts';

/** Zero crossings of the sinc on either side: 80 dB down at half the lower rate, flat to 0.9. */
const ZERO_CROSSINGS = 48;
/** Kaiser's beta for 80 dB: 0.1102 (80 - 8.7). */
const BETA = 7.857;
/** Where the response is half down, as a part of half the lower rate: the stop band begins at 1. */
const CUTOFF = 0.948;
/** Most phases of a filter: 11,025 to 16,000 needs 640; odd pairs such as 44,099 would need MBs. */
const PHASES_MAX = 1280;
/** Most weights of one filter: 16 MB. */
const WEIGHTS_MAX = 2_000_000;

/** From one sample rate to another, hertz. */
export interface Rates {
  readonly fromHz: number;
  readonly toHz: number;
}

/** A filter that may be shared by any number of resamplers. */
export interface ResampleFilter extends Rates {
  /** The output has `up` samples for `down` of the input. */
  readonly up: number;
  readonly down: number;
  readonly half: number; // input samples before and after a position
  readonly phases: readonly Float64Array[]; // [up][2 half]
}

/** A signal on its way from one rate to the other, block after block. */
export interface Resampler {
  /** What the block completes: the output lags `half` input samples behind. A new buffer. */
  push(block: Float32Array): Float32Array;
  /** The rest, as if silence followed; the resampler then begins afresh. */
  flush(): Float32Array;
}

/** Whether `designResampler` has a filter for these rates. */
export function canResample({ fromHz, toHz }: Rates): boolean {
  const { up, half } = ratioOf({ fromHz, toHz });
  return up <= PHASES_MAX && up * half * 2 <= WEIGHTS_MAX;
}

/**
 * A windowed-sinc low-pass in `up` phases, each with a gain of 1 at 0 Hz.
 * Throws RangeError where canResample says no. Source: Crochiere and Rabiner, "Multirate Digital
 * Signal Processing" (1983); Kaiser's window.
 */
export function designResampler(rates: Rates): ResampleFilter {
  if (!canResample(rates)) {
    throw new RangeError(`no filter from ${rates.fromHz} to ${rates.toHz} samples/s`);
  }
  const { up, down, half, bandwidth } = ratioOf(rates);
  const phases = Array.from({ length: up }, (_, phase) => {
    const weights = new Float64Array(2 * half);
    let sum = 0;
    for (let tap = 0; tap < weights.length; tap++) {
      const time = tap - half + 1 - phase / up; // input samples from the position
      const x = Math.PI * bandwidth * time;
      const sinc = x === 0 ? 1 : Math.sin(x) / x;
      weights[tap] = sinc * kaiserWeight(time / half, BETA);
      sum += weights[tap]!;
    }
    return weights.map((weight) => weight / sum);
  });
  return { ...rates, up, down, half, phases };
}

function ratioOf({ fromHz, toHz }: Rates) {
  const divisor = greatestCommonDivisor(fromHz, toHz);
  const bandwidth = Math.min(1, toHz / fromHz) * CUTOFF;
  const half = Math.ceil(ZERO_CROSSINGS / bandwidth);
  return { up: toHz / divisor, down: fromHz / divisor, half, bandwidth };
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/** A resampler at the start of a signal. Its delay is taken out: sample 0 stays at time 0. */
export function createResampler(filter: ResampleFilter): Resampler {
  const { up, down, half, phases } = filter;
  let kept = new Float32Array(half - 1); // input from position - half + 1 on; silence came before
  let position = half - 1; // in kept: the input sample at or before the next output
  let phase = 0;
  let taken = 0;
  let given = 0;

  const push = (block: Float32Array): Float32Array => {
    taken += block.length;
    const input = new Float32Array(kept.length + block.length);
    input.set(kept);
    input.set(block, kept.length);
    const ready = Math.max(0, Math.ceil(((input.length - half - position) * up - phase) / down));
    const output = new Float32Array(ready);
    for (let index = 0; index < ready; index++) {
      const weights = phases[phase]!;
      const start = position - half + 1;
      let sum = 0;
      for (let tap = 0; tap < weights.length; tap++) sum += weights[tap]! * input[start + tap]!;
      output[index] = sum;
      phase += down;
      position += Math.floor(phase / up);
      phase %= up;
    }
    const drop = Math.max(0, Math.min(position - half + 1, input.length));
    kept = input.slice(drop);
    position -= drop;
    given += ready;
    return output;
  };

  return {
    push,
    flush() {
      const wanted = Math.ceil((taken * up) / down) - given;
      // Enough silence for the last position to have its right side.
      const rest = push(new Float32Array(half + Math.ceil(down / up))).slice(0, wanted);
      kept = new Float32Array(half - 1);
      position = half - 1;
      phase = 0;
      taken = 0;
      given = 0;
      return rest;
    },
  };
}

/** A whole clip at the other rate: ceil(n toHz / fromHz) samples. */
export function resampleClip(clip: Float32Array, filter: ResampleFilter): Float32Array {
  const resampler = createResampler(filter);
  const head = resampler.push(clip);
  const tail = resampler.flush();
  const whole = new Float32Array(head.length + tail.length);
  whole.set(head);
  whole.set(tail, head.length);
  return whole;
}
