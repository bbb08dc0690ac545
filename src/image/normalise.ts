import type { TensorData } from '../tensor/tensor.ts';

/** Makes numbers of each channel comparable: (number * scale - mean) / deviation. */
export interface NormalisePlan {
  readonly scale: number;
  /** By channel, as many as there are channels. */
  readonly mean: readonly number[];
  readonly deviation: readonly number[];
}

/**
 * Normalises numbers whose channel stands still for `run` elements and then goes on to the next:
 * 1 where channels are the last axis, height times width where they come first.
 */
export function normalise(data: TensorData, run: number, plan: NormalisePlan): Float32Array {
  const factors = plan.deviation.map((deviation) => plan.scale / deviation);
  const offsets = plan.mean.map((mean, channel) => -mean / plan.deviation[channel]!);
  const numbers = data instanceof BigInt64Array || data instanceof BigUint64Array;
  const source = numbers ? Float64Array.from(data, Number) : data;
  return run === 1
    ? interleaved(source, factors, offsets)
    : planar(source, run, { factors, offsets });
}

type Numbers = Exclude<TensorData, BigInt64Array | BigUint64Array>;

function interleaved(
  source: Numbers,
  factors: readonly number[],
  offsets: readonly number[],
): Float32Array {
  const normalised = new Float32Array(source.length);
  const channels = factors.length;
  for (let channel = 0; channel < channels; channel += 1) {
    const factor = factors[channel]!;
    const offset = offsets[channel]!;
    for (let at = channel; at < source.length; at += channels) {
      normalised[at] = source[at]! * factor + offset;
    }
  }
  return normalised;
}

interface Planes {
  readonly factors: readonly number[];
  readonly offsets: readonly number[];
}

function planar(source: Numbers, run: number, { factors, offsets }: Planes): Float32Array {
  const normalised = new Float32Array(source.length);
  for (let start = 0, plane = 0; start < source.length; start += run, plane += 1) {
    const factor = factors[plane % factors.length]!;
    const offset = offsets[plane % factors.length]!;
    for (let at = start; at < start + run; at += 1) normalised[at] = source[at]! * factor + offset;
  }
  return normalised;
}
