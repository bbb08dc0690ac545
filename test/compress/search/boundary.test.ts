import fc from 'fast-check';
import { expect, test } from 'vitest';
import { findBoundary } from '../../../src/compress/search/boundary.ts';

test('findBoundary asks on both sides of the turn, in few steps, whichever way it walks', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 200 }),
      fc.nat(200),
      fc.boolean(),
      async (to, turn, up) => {
        const good = (count: number) => count >= turn;
        const [from, end] = up ? [0, to] : [to, 0];
        const asked = new Set<number>();
        await findBoundary({
          from,
          to: end,
          holdsFrom: good(from),
          async holds(count) {
            expect(count).toBeGreaterThanOrEqual(0);
            expect(count).toBeLessThanOrEqual(to);
            asked.add(count);
            return good(count);
          },
        });
        expect(asked.size).toBeLessThanOrEqual(2 * Math.ceil(Math.log2(to + 1)) + 1);
        asked.add(from);
        if (good(0) === good(to)) expect(asked).toContain(end);
        else expect([...asked]).toEqual(expect.arrayContaining([turn - 1, turn]));
      },
    ),
  );
});

test('findBoundary stops where no more may be asked', async () => {
  const asked: number[] = [];
  const holds = async (count: number) => {
    asked.push(count);
    return asked.length < 2 ? false : undefined;
  };
  await findBoundary({ from: 0, to: 100, holdsFrom: false, holds });
  expect(asked).toEqual([1, 3]);
});
