import { expect, test } from 'vitest';
import { deviationOf, learnNormal, scaleRow } from '../../src/signal/learned-normal.ts';
import { norm } from '../../src/tensor/linear-algebra.ts';

/** Rows of a machine with two coupled fields and one that never moves. */
function rowsOf(count: number): Float64Array {
  const rows: number[] = [];
  for (let i = 0; i < count; i++) {
    const load = Math.sin(i * 0.7) + Math.sin(i * 1.93);
    rows.push(20 + load, 5 + 2 * load + 0.1 * Math.sin(i * 3.1), 230);
  }
  return Float64Array.from(rows);
}

/** The distance of one row from a normal learned without a window. */
function distance(row: readonly number[]): number {
  const normal = learnNormal(rowsOf(200), 3, 1);
  return norm(deviationOf(scaleRow(Float64Array.from(row), normal), normal.reference, normal));
}

test('about 99 of 100 learned rows are within a distance of 1', () => {
  const rows = rowsOf(200);
  const within = Array.from({ length: 200 }, (_, i) =>
    distance([...rows.subarray(3 * i, 3 * i + 3)]),
  ).filter((value) => value <= 1);
  expect(within.length).toBe(198);
});

test('a row against the coupling of two fields is far, though each field is in its range', () => {
  expect(distance([21, 7, 230])).toBeLessThan(1);
  expect(distance([21, 3, 230])).toBeGreaterThan(5);
});

test.each([
  ['a field that was constant moves', [20, 5, 250], 2],
  ['a number beyond all measure comes', [1e99, 5, 230], 1e3],
])('the distance is finite and large when %s', (_, row, least) => {
  expect(distance(row as number[])).toBeGreaterThan(least as number);
  expect(distance(row as number[])).toBeLessThan(Number.MAX_VALUE);
});

test('a machine on which nothing moved has a normal, and any change is far from it', () => {
  const normal = learnNormal(new Float64Array(300).fill(7), 3, 5);
  const at = (row: number[]) =>
    norm(deviationOf(scaleRow(Float64Array.from(row), normal), normal.reference, normal));
  expect(at([7, 7, 7])).toBe(0);
  expect(at([7, 8, 7])).toBeGreaterThan(10);
});

test('a field that stands at the smallest number there is has a normal', () => {
  const normal = learnNormal(new Float64Array(60).fill(Number.MIN_VALUE), 1, 1);
  expect(Number.isFinite(normal.whiten[0])).toBe(true);
});

test('learning from 400 rows of 8 fields takes no longer than scoring 8,000 rows', () => {
  const rows = Float64Array.from({ length: 400 * 8 }, (_, at) => Math.sin(at * 1.7) + (at % 8));
  const normal = learnNormal(rows, 8, 20);
  const learnMs = fastest(() => learnNormal(rows, 8, 20));
  const scoreMs = fastest(() => {
    for (let at = 0; at < rows.length; at += 8) {
      deviationOf(scaleRow(rows.subarray(at, at + 8), normal), normal.reference, normal);
    }
  });
  expect(learnMs).toBeLessThan(20 * scoreMs);
});

/** The shortest of some runs: what a loaded machine adds is left out. */
function fastest(work: () => unknown): number {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 7; round++) {
    const startedMs = performance.now();
    work();
    best = Math.min(best, performance.now() - startedMs);
  }
  return best;
}
