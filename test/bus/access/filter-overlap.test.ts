import { describe, expect, test } from 'vitest';
import { covers, overlaps, withoutShare } from '../../../src/bus/access/filter-overlap.ts';
import { matches } from '../../../src/bus/filter.ts';

test.each([
  ['a/#', 'a/#'],
  ['$share/g/a/#', 'a/#'],
  ['$share/g', '$share/g'],
  ['$shared/g/a', '$shared/g/a'],
])('%s asks for %s', (filter, asked) => {
  expect(withoutShare(filter)).toBe(asked);
});

describe('overlap and cover agree with matching, for all small filters', () => {
  const levels = ['a', 'b', '+'];
  const filters = levels.flatMap((one) => [
    one,
    `${one}/#`,
    ...levels.flatMap((two) => [`${one}/${two}`, `${one}/${two}/#`]),
  ]);
  filters.push('#', '$S/#', '$S/a', '+/a');
  const names = ['a', 'b', '$S'];
  const topics = names.flatMap((one) => [
    one,
    ...names.flatMap((two) => [`${one}/${two}`, ...names.map((three) => `${one}/${two}/${three}`)]),
  ]);

  test('overlaps: a topic that both take', () => {
    for (const left of filters) {
      for (const right of filters) {
        const both = topics.some((topic) => matches(left, topic) && matches(right, topic));
        expect([left, right, overlaps(left, right)]).toEqual([left, right, both]);
      }
    }
  });

  test('covers: never said of a filter that takes more', () => {
    for (const wide of filters) {
      for (const narrow of filters) {
        if (!covers(wide, narrow)) continue;
        const outside = topics.find((topic) => matches(narrow, topic) && !matches(wide, topic));
        expect([wide, narrow, outside]).toEqual([wide, narrow, undefined]);
      }
      expect(covers(wide, wide)).toBe(true);
    }
  });
});
