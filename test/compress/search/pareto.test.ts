import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { dominates, paretoSet } from '../../../src/compress/search/pareto.ts';

/** Few different costs, so that equal ones and ties occur. */
const points = fc.array(fc.tuple(fc.nat(6), fc.nat(6), fc.nat(6)), { maxLength: 24 });

describe('paretoSet', () => {
  test('has no member that any point dominates, and each other point is dominated by a member', () => {
    fc.assert(
      fc.property(points, (all) => {
        const flags = paretoSet(all);
        const members = all.filter((_, at) => flags[at]);
        for (const [at, point] of all.entries()) {
          if (flags[at]) expect(all.some((other) => dominates(other, point))).toBe(false);
          else expect(members.some((member) => dominates(member, point))).toBe(true);
        }
        expect(members.length > 0).toBe(all.length > 0);
      }),
    );
  });

  test.each([
    ['a point alone', [[1, 1]], [true]],
    ['equal points, all of them', [[1, 1], [1, 1]], [true, true]], // biome-ignore format: a table
    ['the better of two', [[2, 2], [1, 2]], [false, true]], // biome-ignore format: a table
    ['both where each is better in something', [[2, 1], [1, 2]], [true, true]], // biome-ignore format: a table
  ])('keeps %s', (_, all, expected) => {
    expect(paretoSet(all)).toEqual(expected);
  });
});
