import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createSeenValues, KEPT_MAX, takeValue } from '../../src/signal/seen-values.ts';

/** What each value gives, one after the other. */
function taken(values: readonly number[], resolution = 0.1): number[] {
  const seen = createSeenValues();
  return values.map((value) => takeValue(seen, value, resolution));
}

test('a value is new once', () => {
  const usual = Array.from({ length: 50 }, (_, at) => at % 10);
  const [first, second, back] = taken([...usual, 30, 30, 5]).slice(50);
  expect(first).toBeGreaterThan(5);
  expect(second).toBe(0);
  expect(back).toBe(0);
});

test('a value in a gap between two that were seen is new', () => {
  const values = Array.from({ length: 60 }, (_, at) => (at % 2 === 0 ? at % 5 : 100 + (at % 5)));
  expect(taken([...values, 50]).at(-1)).toBeGreaterThan(0.9);
  expect(taken([...values, 50, 50]).at(-1)).toBe(0);
});

test('the scale of the series does not matter', () => {
  const values = Array.from({ length: 80 }, (_, at) => Math.sin(at * at));
  const large = taken(values.map((value) => 1e6 * value));
  // The first two come before there is a deviation to count in.
  taken(values).forEach((novelty, at) => {
    if (at >= 2) expect(large[at]).toBeCloseTo(novelty, 6);
  });
});

test('a series that never moved tells any change, in parts of its value', () => {
  expect(taken([7, 7, 7, 7.7]).at(-1)).toBeCloseTo(10);
  expect(taken([0, 0, 0, 2]).at(-1)).toBe(2);
});

test('what is kept is bounded and in order, whatever comes', () => {
  const many = fc.array(fc.double({ min: -1e9, max: 1e9, noNaN: true }), { minLength: 1 });
  fc.assert(
    fc.property(many, (values) => {
      const seen = createSeenValues();
      for (const value of values) expect(takeValue(seen, value, 1e-9)).toBeGreaterThanOrEqual(0);
      expect(seen.kept).toEqual(seen.kept.toSorted((a, b) => a - b));
    }),
  );
  const seen = createSeenValues();
  for (let at = 0; at < 3 * KEPT_MAX; at++) takeValue(seen, at ** 3, 1e-9);
  expect(seen.kept).toHaveLength(KEPT_MAX);
  expect(seen.kept.at(-1)).toBe((3 * KEPT_MAX - 1) ** 3);
});
