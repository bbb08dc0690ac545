import { expect, test } from 'vitest';
import { kaiserWeight, windowWeights } from '../../src/signal/window-function.ts';
import { expectClose } from './fixtures.ts';

test.each([
  ['hann', 'periodic', [0, 0.5, 1, 0.5]],
  ['hann', 'symmetric', [0, 0.75, 0.75, 0]],
  ['hamming', 'periodic', [0.08, 0.54, 1, 0.54]],
  ['povey', 'symmetric', [0, 0.75 ** 0.85, 0.75 ** 0.85, 0]],
  ['rectangular', 'periodic', [1, 1, 1, 1]],
] as const)('the %s %s window of 4 samples', (kind, symmetry, expected) => {
  expectClose(windowWeights(kind, 4, symmetry), expected, 1e-12);
});

test('overlapping periodic Hann windows sum up to a constant', () => {
  const weights = windowWeights('hann', 512);
  const sums = Array.from({ length: 128 }, (_, index) =>
    [0, 128, 256, 384].reduce((sum, shift) => sum + weights[index + shift]!, 0),
  );
  expectClose(sums, new Array(128).fill(2), 1e-12);
});

test('a window of one sample is 1, not a division by zero', () => {
  expect(windowWeights('hann', 1, 'symmetric')).toEqual(Float64Array.of(1));
});

test.each([
  [0, 8, 1],
  [1, 0, 1],
  [1, 8, 1 / 427.5641157],
  [0.5, 2, 0.83476],
  [1.01, 8, 0],
])("Kaiser's window at %d with beta %d is %d", (position, beta, expected) => {
  expect(kaiserWeight(position, beta)).toBeCloseTo(expected, 2);
});
