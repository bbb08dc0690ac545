import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { learnLabels } from '../../src/teach/learn.ts';
import { momentsOf, varianceAlong } from '../../src/teach/moments.ts';
import { learnRow } from '../../src/teach/solve.ts';

const SIZE = 6;

/** Normally distributed rows around a centre, the same for the same seed. */
function cloud(centre: readonly number[], count: number, seed: number): Float64Array[] {
  let state = seed;
  const uniform = () => {
    state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296;
    return (state + 1) / 4_294_967_297;
  };
  const normal = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  return Array.from({ length: count }, () =>
    Float64Array.from(centre, (middle) => middle + normal()),
  );
}

const axis = (at: number, value: number) =>
  Array.from({ length: SIZE }, (_, k) => (k === at ? value : 0));
const known = [0, 1, 2].map((at) => momentsOf(cloud(axis(at, 6), 200, at + 1)));
const margin = (row: { weights: Float64Array; bias: number }, x: Float64Array) =>
  x.reduce((sum, value, at) => sum + value * (row.weights[at] ?? 0), row.bias);

describe('a label learned from a few examples', () => {
  test.each([2, 5, 20])('%i of them tell it from known labels', (count) => {
    const { row, leftOutMargins } = learnRow(cloud(axis(4, 6), count, 11), known);
    const recognised = cloud(axis(4, 6), 400, 12).filter((x) => margin(row, x) > 0).length;
    const mistaken = [0, 1, 2]
      .flatMap((at) => cloud(axis(at, 6), 200, at + 21))
      .filter((x) => margin(row, x) > 0);
    expect(leftOutMargins).toHaveLength(count);
    expect(recognised / 400).toBeGreaterThan(0.9);
    expect(mistaken.length / 600).toBeLessThan(0.03);
  });

  test('examples that are no different from a known label are not recognised when left out', () => {
    const { leftOutMargins } = learnRow(cloud(axis(1, 6), 10, 5), known);
    expect(leftOutMargins.filter((value) => value > 0).length).toBeLessThan(8);
  });

  test('the share of known events above the threshold is as told, for normal features', () => {
    const { row, falseShare } = learnRow(cloud(axis(1, 8), 20, 3), known);
    const events = [0, 1, 2].flatMap((at) => cloud(axis(at, 6), 2000, at + 31));
    const found = events.filter((x) => margin(row, x) > 0).length / events.length;
    expect(Math.abs(found - falseShare)).toBeLessThan(0.05);
  });

  test('what each left-out example scores is what the others alone give it', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1e6 }),
        fc.integer({ min: 3, max: 9 }),
        (seed, count) => {
          const rows = cloud(axis(4, 4), count, seed);
          const { leftOutMargins, ridge } = learnRow(rows, known);
          // Learned again without it, the row differs in scale and threshold, not in the order it gives.
          const scores = rows.map((left, at) => {
            const others = rows.filter((_, other) => other !== at);
            return direct(others, ridge, left);
          });
          const order = (values: readonly number[]) =>
            values.map((_, at) => at).sort((a, b) => (values[a] ?? 0) - (values[b] ?? 0));
          expect(order(leftOutMargins)).toEqual(order(scores));
        },
      ),
      { numRuns: 30 },
    );
  });

  test('a feature that never moves does no harm', () => {
    const still = (rows: Float64Array[]) =>
      rows.map((row) => row.map((value, at) => (at === 3 ? 7 : value)));
    const groups = [0, 1].map((at) => momentsOf(still(cloud(axis(at, 6), 50, at + 1))));
    const { row } = learnRow(still(cloud(axis(4, 6), 5, 9)), groups);
    expect([...row.weights].every(Number.isFinite)).toBe(true);
    expect(
      still(cloud(axis(4, 6), 50, 10)).filter((x) => margin(row, x) > 0).length,
    ).toBeGreaterThan(40);
  });
});

/** The ridge regression of solve.ts, written out as one dense system and solved by elimination. */
function direct(rows: readonly Float64Array[], ridge: number, x: Float64Array): number {
  const mean = new Float64Array(SIZE);
  const square = new Float64Array(SIZE);
  for (const group of known) {
    for (let at = 0; at < SIZE; at += 1) {
      const centre = group.mean[at] as number;
      mean[at]! += centre / known.length;
      square[at]! += (centre ** 2 + (group.covariance[at * SIZE + at] as number)) / known.length;
    }
  }
  const scale = square.map((value, at) => Math.sqrt(value - (mean[at] as number) ** 2));
  const framed = (row: Float64Array) => [
    ...row.map((value, at) => (value - (mean[at] as number)) / (scale[at] as number)),
    1,
  ];
  const wide = SIZE + 1;
  const system = Array.from({ length: wide }, () => new Array<number>(wide + 1).fill(0));
  const add = (row: readonly number[], weight: number, target: number) => {
    for (let i = 0; i < wide; i += 1) {
      for (let j = 0; j < wide; j += 1) system[i]![j]! += weight * row[i]! * row[j]!;
      system[i]![wide]! += weight * target * row[i]!;
    }
  };
  for (const group of known) {
    add(framed(group.mean), 1 / known.length, -1);
    for (let i = 0; i < SIZE; i += 1) {
      for (let j = 0; j < SIZE; j += 1) {
        const unit = (scale[i] as number) * (scale[j] as number);
        system[i]![j]! += (group.covariance[i * SIZE + j] as number) / unit / known.length;
      }
      system[i]![i]! += 1 / (group.count + 1) / known.length;
    }
  }
  for (let at = 0; at < SIZE; at += 1) system[at]![at]! += ridge;
  for (const row of rows) add(framed(row), 1 / rows.length, 1);
  for (let column = 0; column < wide; column += 1) {
    for (let row = 0; row < wide; row += 1) {
      if (row === column) continue;
      const factor = system[row]![column]! / system[column]![column]!;
      for (let k = column; k <= wide; k += 1) system[row]![k]! -= factor * system[column]![k]!;
    }
  }
  return framed(x).reduce(
    (sum, value, at) => sum + (value * system[at]![wide]!) / system[at]![at]!,
    0,
  );
}

describe('several labels', () => {
  test('are told from each other', () => {
    const lessons = [
      { label: 'a', features: cloud(axis(4, 6), 8, 41) },
      { label: 'b', features: cloud([0, 0, 0, 0, 5, 5], 8, 42) },
    ];
    const learned = learnLabels(lessons, known);
    const [a, b] = learned;
    const share = cloud([0, 0, 0, 0, 5, 5], 300, 43).filter(
      (x) => margin(b!.row, x) > margin(a!.row, x),
    );
    expect(learned.map(({ label, of }) => [label, of])).toEqual([
      ['a', 8],
      ['b', 8],
    ]);
    expect(share.length / 300).toBeGreaterThan(0.9);
  });

  test('nothing to tell them from, and features that are no numbers, are refused', () => {
    const features = cloud(axis(0, 1), 3, 1);
    expect(() => learnLabels([{ label: 'a', features }], [])).toThrow('no events of other labels');
    const bad = [...features, new Float64Array(SIZE).fill(Number.NaN)];
    expect(() => learnLabels([{ label: 'a', features: bad }], known)).toThrow('example 4');
  });
});

test('moments are those of the rows', () => {
  const rows = cloud(axis(0, 3), 50, 2);
  const weights = Float64Array.from({ length: SIZE }, (_, at) => at - 2);
  const sums = rows.map((row) =>
    row.reduce((sum, value, at) => sum + value * (weights[at] ?? 0), 0),
  );
  const mean = sums.reduce((sum, value) => sum + value, 0) / 50;
  const variance = sums.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 50;
  expect(varianceAlong(momentsOf(rows), weights)).toBeCloseTo(variance, 9);
});
