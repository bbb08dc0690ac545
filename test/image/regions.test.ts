import { expect, test } from 'vitest';
import type { NumberGrid } from '../../src/image/draw.ts';
import { findRegions, type RegionRules } from '../../src/image/regions.ts';

const RULES: RegionRules = { threshold: 0.5, areaMin: 0, diagonal: true };

/** A grid from rows of digits, each a tenth; `x` is NaN. */
function grid(...rows: readonly string[]): NumberGrid {
  const cells = rows.join('');
  const data = Float32Array.from(cells, (cell) => (cell === 'x' ? Number.NaN : Number(cell) / 10));
  return { width: rows[0]?.length ?? 0, height: rows.length, data };
}

const boxes = (found: ReturnType<typeof findRegions>) => found.map(({ box }) => box);

test('regions are boxes, areas and best scores, the surest first', () => {
  const found = findRegions(grid('6600', '6000', '0009', '0088'), RULES);
  expect(boxes(found)).toEqual([
    [0.5, 0.5, 1, 1],
    [0, 0, 0.5, 0.5],
  ]);
  expect(found.map(({ area }) => area)).toEqual([3 / 16, 3 / 16]);
  expect(found[0]?.score).toBeCloseTo(0.9, 6);
});

test('cells that touch at a corner belong together only where that is wanted', () => {
  const corner = grid('90', '09');
  expect(findRegions(corner, RULES)).toHaveLength(1);
  expect(findRegions(corner, { ...RULES, diagonal: false })).toHaveLength(2);
});

test('the last cell of a row does not touch the first of the next', () => {
  expect(findRegions(grid('0009', '9000'), RULES)).toHaveLength(2);
});

test('a winding region is one', () => {
  const found = findRegions(grid('99999', '00009', '99999', '90000', '99999'), {
    ...RULES,
    diagonal: false,
  });
  expect(found).toHaveLength(1);
  expect(found[0]?.area).toBe(17 / 25);
});

test('regions under the least area are left out', () => {
  const found = findRegions(grid('90', '00', '99', '99'), { ...RULES, areaMin: 0.2 });
  expect(boxes(found)).toEqual([[0, 0.5, 1, 1]]);
});

test('NaN belongs to no region', () => {
  expect(boxes(findRegions(grid('9x9'), RULES))).toHaveLength(2);
});

test('a whole grid of 4 million cells is one region', () => {
  const data = new Float32Array(2048 * 2048).fill(1);
  expect(findRegions({ width: 2048, height: 2048, data }, RULES)).toEqual([
    { box: [0, 0, 1, 1], area: 1, score: 1 },
  ]);
});
