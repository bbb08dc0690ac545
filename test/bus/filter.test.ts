import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createFilterIndex, matches } from '../../src/bus/filter.ts';

describe('matches', () => {
  // The examples of MQTT 5 section 4.7, and the corners beside them.
  test.each([
    ['sport/tennis/#', 'sport/tennis', true],
    ['sport/tennis/#', 'sport/tennis/player/ranking', true],
    ['sport/#', 'sport', true],
    ['sport/#', 'sports', false],
    ['#', 'a/b', true],
    ['#', '/', true],
    ['sport/+', 'sport', false],
    ['sport/+', 'sport/', true],
    ['sport/+', 'sport/a/b', false],
    ['+/+', '/finance', true],
    ['/+', '/finance', true],
    ['+', '/finance', false],
    ['+/#', 'a', true],
    ['a/+/#', 'a', false],
    ['#', '$SYS/x', false],
    ['+/x', '$SYS/x', false],
    ['$SYS/#', '$SYS/x', true],
    ['$SYS/+', '$SYS/x', true],
    ['a', 'a/', false],
    ['a/', 'a', false],
    ['', 'a', false],
  ])('%j takes %j: %s', (filter, topic, expected) => {
    expect(matches(filter, topic)).toBe(expected);
    const index = createFilterIndex<string>();
    index.add(filter, 'it');
    expect(index.match(topic).length > 0).toBe(expected);
  });
});

describe('the filter index', () => {
  const level = fc.constantFrom('a', 'b', '', '$x');
  const topic = fc.array(level, { minLength: 1, maxLength: 4 }).map((levels) => levels.join('/'));
  const filter = fc
    .tuple(
      fc.array(fc.oneof(level, fc.constant('+')), { minLength: 1, maxLength: 4 }),
      fc.boolean(),
    )
    .map(([levels, open]) => (open ? [...levels, '#'] : levels).join('/'));

  test('finds what asking every filter finds, in order, also after some were removed', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(filter, fc.boolean())), fc.array(topic), (filters, topics) => {
        const index = createFilterIndex<number>();
        const removers = filters.map(([text], at) => index.add(text, at));
        const check = (kept: (at: number) => boolean) => {
          for (const text of topics) {
            const expected = filters.flatMap(([pattern], at) =>
              kept(at) && matches(pattern, text) ? [at] : [],
            );
            expect(index.match(text)).toEqual(expected);
          }
        };
        check(() => true);
        for (const [at, remove] of removers.entries()) {
          if (filters[at]?.[1] !== true) continue;
          remove();
          remove();
        }
        check((at) => filters[at]?.[1] !== true);
        expect(index.size).toBe(filters.filter(([, gone]) => !gone).length);
      }),
    );
  });
});
