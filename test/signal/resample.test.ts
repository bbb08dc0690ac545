import { describe, expect, test } from 'vitest';
import {
  canResample,
  createResampler,
  designResampler,
  resampleClip,
} from '../../src/signal/resample.ts';
import { expectClose } from './fixtures.ts';

const tone = (hertz: number, rate: number, count: number) =>
  Float32Array.from({ length: count }, (_, index) =>
    Math.sin((2 * Math.PI * hertz * index) / rate),
  );

const decibels = (samples: Float32Array) =>
  10 * Math.log10(samples.reduce((sum, x) => sum + x * x, 0) / samples.length + 1e-30);

const pairs = [
  [8000, 16_000],
  [16_000, 8000],
  [44_100, 16_000],
  [48_000, 16_000],
  [16_000, 44_100],
  [22_050, 16_000],
  [11_025, 16_000],
  [96_000, 16_000],
] as const;

describe.each(pairs)('resampling from %i to %i samples/s', (fromHz, toHz) => {
  const filter = designResampler({ fromHz, toHz });
  const limit = Math.min(fromHz, toHz) / 2;

  test.each([0.02, 0.3, 0.6, 0.88])('keeps a tone at %d of half the lower rate', (part) => {
    const output = resampleClip(tone(part * limit, fromHz, fromHz), filter);
    const wanted = tone(part * limit, toHz, toHz);
    expect(output).toHaveLength(toHz);
    const [from, to] = [Math.round(0.1 * toHz), Math.round(0.9 * toHz)];
    expectClose(output.subarray(from, to), wanted.subarray(from, to), 1e-3);
  });

  test('takes away what is above half the lower rate, by 70 dB and more', () => {
    if (toHz > fromHz) return expect(filter.up).toBeGreaterThan(1);
    const output = resampleClip(tone(1.05 * limit, fromHz, fromHz), filter);
    const middle = output.subarray(Math.round(0.1 * toHz), Math.round(0.9 * toHz));
    expect(decibels(middle)).toBeLessThan(-70);
  });

  test('gives a stream in blocks of any size as it gives the clip', () => {
    const clip = tone(0.1 * limit, fromHz, 5000);
    const resampler = createResampler(filter);
    const parts: number[] = [];
    for (let at = 0, size = 1; at < clip.length; at += size, size = (size * 3) % 701) {
      parts.push(...resampler.push(clip.subarray(at, at + size)));
    }
    parts.push(...resampler.flush());
    expect(Float32Array.from(parts)).toEqual(resampleClip(clip, filter));
  });

  test('begins afresh after a flush', () => {
    const clip = tone(100, fromHz, 3000);
    const resampler = createResampler(filter);
    const whole = () => Float32Array.from([...resampler.push(clip), ...resampler.flush()]);
    expect(whole()).toEqual(whole());
  });

  test.each([0, 1, 7, 1000])('a clip of %i samples has the length that the rates say', (count) => {
    const output = resampleClip(new Float32Array(count).fill(1), filter);
    expect(output).toHaveLength(Math.ceil((count * toHz) / fromHz));
  });
});

test('a constant stays what it is, to the step of float32', () => {
  const output = resampleClip(
    new Float32Array(4000).fill(0.7),
    designResampler({ fromHz: 44_100, toHz: 16_000 }),
  );
  expectClose(output.subarray(100, 1300), new Float32Array(1200).fill(0.7), 1e-7);
});

test.each([
  [44_099, 16_000],
  [15_999, 16_000],
  [768_000, 1],
])('from %i to %i samples/s there is no filter', (fromHz, toHz) => {
  expect(canResample({ fromHz, toHz })).toBe(false);
  expect(() => designResampler({ fromHz, toHz })).toThrow(RangeError);
});
