import { describe, expect, test } from 'vitest';
import { createRealFft, FFT_SIZE_MAX, nextPowerOfTwo } from '../../src/signal/fft.ts';
import { expectClose, type Reference, signalFixture } from './fixtures.ts';

const clip = signalFixture<Reference>('clip').data;
const spectra = signalFixture<Record<string, { re: number[]; im: number[] }>>('rfft');

describe('the real FFT', () => {
  test.each(Object.keys(spectra).map(Number))('gives the spectrum of %i samples', (size) => {
    const fft = createRealFft(size);
    const re = new Float64Array(fft.bins);
    const im = new Float64Array(fft.bins);
    fft.forward(Float64Array.from(clip), re, im);
    expectClose(re, spectra[size]!.re, 1e-6);
    expectClose(im, spectra[size]!.im, 1e-6);
  });

  test.each([4, 8, 16, 32, 64, 1024, 2048])('gives %i samples back from their spectrum', (size) => {
    const fft = createRealFft(size);
    const block = Float64Array.from(clip.slice(0, size));
    const re = new Float64Array(fft.bins);
    const im = new Float64Array(fft.bins);
    const back = new Float64Array(size);
    fft.forward(block, re, im);
    fft.inverse(re, im, back);
    expectClose(back, block, 1e-12);
  });

  test('has the energy of its block (Parseval)', () => {
    const size = 4096;
    const fft = createRealFft(size);
    const block = Float64Array.from({ length: size }, (_, index) => clip[index % 4000]!);
    const re = new Float64Array(fft.bins);
    const im = new Float64Array(fft.bins);
    fft.forward(block, re, im);
    const energy = block.reduce((sum, x) => sum + x * x, 0);
    const spectral = re.reduce((sum, x, bin) => {
      const twice = bin === 0 || bin === size / 2 ? 1 : 2;
      return sum + twice * (x * x + im[bin]! ** 2);
    }, 0);
    expect(spectral / size).toBeCloseTo(energy, 8);
  });

  test.each([0, 1, 2, 3, 6, 400, 2 * FFT_SIZE_MAX, Number.NaN])('refuses the size %d', (size) => {
    expect(() => createRealFft(size)).toThrow(RangeError);
  });
});

test.each([
  [1, 1],
  [2, 2],
  [400, 512],
  [512, 512],
  [513, 1024],
])('the next power of two from %i on is %i', (size, expected) => {
  expect(nextPowerOfTwo(size)).toBe(expected);
});
