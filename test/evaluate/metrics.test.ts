import { describe, expect, test } from 'vitest';
import {
  accuracy,
  auroc,
  confusionOf,
  f1,
  falseAlarmRate,
  intersectionOverUnion,
  macroF1,
  missedAlarmRate,
  percentile,
  wilsonInterval,
} from '../../src/evaluate/metrics.ts';

const answers = (pairs: readonly (readonly [string, string | undefined])[]) =>
  pairs.map(([truth, said]) => ({ truth, said }));

/** Answers of a yes-or-no question from letters: true, false, - for none; truth first. */
const yesNo = (pairs: string) =>
  pairs.split(' ').map(([truth, said]) => ({
    truth: truth === 't',
    said: said === '-' ? undefined : said === 't',
  }));

describe('classes', () => {
  const given = answers([
    ['a', 'a'],
    ['a', 'b'],
    ['b', 'b'],
    ['c', undefined],
  ]);
  test('no answer is a wrong one', () => {
    expect(accuracy(given)).toBe(0.5);
  });
  test('macroF1 is the mean over the classes that occur', () => {
    // a: precision 1, recall 1/2; b: precision 1/2, recall 1; c: nothing.
    expect(macroF1(given)).toBeCloseTo((2 / 3 + 2 / 3 + 0) / 3, 12);
  });
});

describe('alarms', () => {
  const confusion = confusionOf(yesNo('tt tt tf ft ff ff ff t- f-'));
  test('no answer is missed where there was something, a false alarm where not', () => {
    expect(confusion).toEqual({
      truePositive: 2,
      falseNegative: 2,
      falsePositive: 2,
      trueNegative: 3,
    });
  });
  test('F1 is a share, the rates are percent', () => {
    expect(f1(confusion)).toBe(0.5);
    expect(falseAlarmRate(confusion)).toBe(40);
    expect(missedAlarmRate(confusion)).toBe(50);
  });
  test('F1 of nothing found is 0', () => {
    expect(f1(confusionOf(yesNo('tf ff')))).toBe(0);
  });
});

describe('auroc', () => {
  const of = (pairs: readonly (readonly [boolean, number | undefined])[]) =>
    auroc(pairs.map(([truth, score]) => ({ truth, score })));
  test.each([
    [
      'order',
      [
        [true, 0.9],
        [true, 0.8],
        [false, 0.7],
        [false, 0.1],
      ],
      1,
    ],
    [
      'the wrong order',
      [
        [true, 0.1],
        [false, 0.9],
      ],
      0,
    ],
    [
      'ties',
      [
        [true, 0.5],
        [false, 0.5],
      ],
      0.5,
    ],
    [
      'one pair of four wrong',
      [
        [true, 4],
        [false, 3],
        [true, 2],
        [false, 1],
      ],
      0.75,
    ],
    [
      'a defect without a score',
      [
        [true, undefined],
        [true, 0.9],
        [false, 0.5],
      ],
      0.5,
    ],
    [
      'a good part without a score',
      [
        [true, 0.9],
        [false, undefined],
        [false, 0.1],
      ],
      0.5,
    ],
  ] as const)('of %s', (_, pairs, expected) => {
    expect(of(pairs)).toBe(expected);
  });
});

test.each([
  [0.5, 2],
  [0.95, 4],
  [0, 1],
])('the percentile at %d of 4 1 3 2 is %d', (share, expected) => {
  expect(percentile([4, 1, 3, 2], share)).toBe(expected);
});

test.each([
  [[true, true, false], [true, false, true], 1 / 3],
  [[false, false], [false, false], 1],
])('intersection over union of %j and %j', (a, b, expected) => {
  expect(intersectionOverUnion(a, b)).toBeCloseTo(expected, 12);
});

describe('wilsonInterval', () => {
  test.each([
    // Newcombe, "Two-sided confidence intervals for the single proportion" (1998), table I.
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1, 29, 0.0061, 0.1718],
  ])('of %i in %i', (right, count, low, high) => {
    const found = wilsonInterval(right, count);
    expect(found[0]).toBeCloseTo(low, 4);
    expect(found[1]).toBeCloseTo(high, 4);
  });
  test('of nothing is everything', () => {
    expect(wilsonInterval(0, 0)).toEqual([0, 1]);
  });
});
