import { expect, test } from 'vitest';
import { dctMatrix, lifterWeights } from '../../src/signal/dct.ts';
import { createHighPass, preEmphasise, removeOffset } from '../../src/signal/filters.ts';
import { expectClose } from './fixtures.ts';

const RATE = 16_000;
const tone = (hertz: number) =>
  Float32Array.from({ length: RATE }, (_, index) => Math.sin((2 * Math.PI * hertz * index) / RATE));
const gainDb = (hertz: number, cutoff: number) => {
  const output = createHighPass(cutoff, RATE)
    .push(tone(hertz))
    .subarray(RATE / 2);
  return 10 * Math.log10((2 * output.reduce((sum, x) => sum + x * x, 0)) / output.length);
};

test.each([
  [80, 100, -5.2],
  [100, 100, -3.01],
  [10, 100, -40],
  [1000, 100, 0],
])('the high-pass gives a tone of %d Hz, cut off at %d Hz, %d dB', (hertz, cutoff, expected) => {
  expect(gainDb(hertz, cutoff)).toBeCloseTo(expected, 0);
});

test('the high-pass goes on from block to block', () => {
  const whole = createHighPass(100, RATE).push(tone(150));
  const filter = createHighPass(100, RATE);
  const parts = [0, 1, 2, 3].flatMap((part) => [
    ...filter.push(tone(150).subarray(part * 4000, (part + 1) * 4000)),
  ]);
  expect(Float32Array.from(parts)).toEqual(whole);
});

test.each([0, -1, 8000, Number.NaN])('a high-pass at %d Hz is refused', (cutoff) => {
  expect(() => createHighPass(cutoff, RATE)).toThrow(RangeError);
});

test('pre-emphasis takes the sample before away, and the first against itself', () => {
  const frame = Float64Array.of(1, 2, 4, 9);
  preEmphasise(frame, 3, 0.5);
  expect(frame).toEqual(Float64Array.of(0.5, 1.5, 3, 9));
});

test('the mean of a frame is taken away from its samples alone', () => {
  const frame = Float64Array.of(1, 2, 3, 50);
  removeOffset(frame, 3);
  expect(frame).toEqual(Float64Array.of(-1, 0, 1, 50));
});

test('the rows of the ortho DCT are orthonormal', () => {
  const matrix = dctMatrix(8, 8, 'ortho');
  const products = Array.from({ length: 64 }, (_, index) => {
    const [a, b] = [Math.floor(index / 8), index % 8];
    return Array.from({ length: 8 }, (_, n) => matrix[a * 8 + n]! * matrix[b * 8 + n]!).reduce(
      (s, x) => s + x,
      0,
    );
  });
  expectClose(
    products,
    products.map((_, index) => (index % 9 === 0 ? 1 : 0)),
    1e-12,
  );
});

test("TensorFlow's DCT differs from the ortho one in its first row alone, by sqrt(2)", () => {
  const ortho = dctMatrix(6, 3, 'ortho');
  const expected = ortho.map((x, index) => (index < 6 ? x * Math.SQRT2 : x));
  expectClose(dctMatrix(6, 3, 'tensorflow'), expected, 1e-12);
});

test('a lifter of 0 leaves the coefficients, one of 22 lifts the eleventh twelvefold', () => {
  expect(lifterWeights(3, 0)).toEqual(Float64Array.of(1, 1, 1));
  expect(lifterWeights(12, 22)[11]).toBeCloseTo(12, 12);
});
