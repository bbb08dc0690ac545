import { describe, expect, test } from 'vitest';
import {
  compileTopicPattern,
  DEVICE_ID_LENGTH_MAX,
  filterProblem,
  topicProblem,
} from '../../src/bus/topics.ts';

describe('a topic pattern', () => {
  const good: ReadonlyArray<[string, string, ReadonlyArray<[string, string | undefined]>]> = [
    [
      'ledge/in/voice/{device}',
      'ledge/in/voice/+',
      [
        ['ledge/in/voice/kitchen', 'kitchen'],
        ['ledge/in/voice/', undefined],
        ['ledge/in/voice', undefined],
        ['ledge/in/voice/a/b', undefined],
        ['ledge/in/camera/a', undefined],
        ['ledge/in/voice/a\u0007', undefined],
        [`ledge/in/voice/${'x'.repeat(DEVICE_ID_LENGTH_MAX)}`, 'x'.repeat(DEVICE_ID_LENGTH_MAX)],
        [`ledge/in/voice/${'x'.repeat(DEVICE_ID_LENGTH_MAX + 1)}`, undefined],
      ],
    ],
    [
      'hermes/audioServer/{device}/audioFrame',
      'hermes/audioServer/+/audioFrame',
      [
        ['hermes/audioServer/default/audioFrame', 'default'],
        ['hermes/audioServer//audioFrame', undefined],
        ['hermes/audioServer/a/b/audioFrame', undefined],
        ['hermes/audioServer/audioFrame', undefined],
      ],
    ],
    [
      '{device}',
      '+',
      [
        ['a', 'a'],
        ['a/b', undefined],
        ['$SYS', '$SYS'],
      ],
    ],
    [
      '+/{device}/x/#',
      '+/+/x/#',
      [
        ['site/a/x', 'a'],
        ['site/a/x/y/z', 'a'],
        ['site/a/y', undefined],
        ['site/a', undefined],
        ['$SYS/a/x', undefined],
      ],
    ],
  ];
  test.each(good)('%s is filter %s and finds its device', (pattern, filter, cases) => {
    const compiled = compileTopicPattern(pattern);
    expect(compiled.filter).toBe(filter);
    expect(cases.map(([topic]) => [topic, compiled.deviceOf(topic)])).toEqual(cases);
  });

  test.each([
    ['ledge/in/voice', 'exactly one level "{device}"'],
    ['{device}/{device}', 'exactly one level "{device}"'],
    ['a/x{device}', 'exactly one level "{device}"'],
    ['a/{device}/{name}', 'level "{name}" is no name'],
    ['#/{device}', 'only allowed as the last level'],
    ['a/b+/{device}', 'mixes a wildcard with text'],
    ['a\u0000/{device}', 'control character'],
  ])('%j is refused: %s', (pattern, problem) => {
    expect(() => compileTopicPattern(pattern)).toThrow(problem);
  });

  test('names the topic of a device, and refuses an id that breaks it', () => {
    const pattern = compileTopicPattern('a/{device}/b');
    expect(pattern.topicOf('x')).toBe('a/x/b');
    expect(compileTopicPattern('+/{device}').topicOf('x')).toBeUndefined();
    for (const device of ['', 'x/y', '+', '#', 'x\n', 'x'.repeat(DEVICE_ID_LENGTH_MAX + 1)]) {
      expect(() => pattern.topicOf(device)).toThrow('Cannot name a topic');
    }
  });
});

describe('the problem of a topic or filter', () => {
  test.each([
    ['a/b', undefined, undefined],
    ['/', undefined, undefined],
    ['$SYS/x', undefined, undefined],
    ['a/+/b', 'wildcard', undefined],
    ['a/#', 'wildcard', undefined],
    ['', 'empty', 'empty'],
    ['a\u0000', 'control', 'control'],
    ['x'.repeat(65_536), 'bytes', 'bytes'],
    ['\u20ac'.repeat(30_000), 'bytes', 'bytes'],
    ['a/'.repeat(64), 'levels', 'levels'],
    ['#/a', 'wildcard', 'last level'],
    ['a/b#', 'wildcard', 'mixes'],
  ])('%.20j is %s as a topic, %s as a filter', (text, asTopic, asFilter) => {
    const check = (found: string | undefined, expected: string | undefined) =>
      expected === undefined ? expect(found).toBeUndefined() : expect(found).toContain(expected);
    check(topicProblem(text), asTopic);
    check(filterProblem(text), asFilter);
  });
});
