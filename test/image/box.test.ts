import { describe, expect, test } from 'vitest';
import {
  type Box,
  intersectionOverUnion,
  suppressOverlaps,
  unfitBox,
} from '../../src/image/box.ts';
import type { FitMode } from '../../src/image/fit.ts';

test.each([
  ['the same box', [0, 0, 1, 1], [0, 0, 1, 1], 1],
  ['the left half', [0, 0, 1, 1], [0, 0, 0.5, 1], 0.5],
  ['a quarter shared', [0, 0, 0.5, 0.5], [0.25, 0, 0.75, 0.5], 1 / 3],
  ['edges that touch', [0, 0, 0.5, 1], [0.5, 0, 1, 1], 0],
  ['corners apart', [0, 0, 0.1, 0.1], [0.5, 0.5, 1, 1], 0],
  ['boxes without area', [0.5, 0.5, 0.5, 0.5], [0.5, 0.5, 0.5, 0.5], 0],
] as const)('intersection over union of %s', (_title, a, b, expected) => {
  expect(intersectionOverUnion(a, b)).toBeCloseTo(expected, 12);
  expect(intersectionOverUnion(b, a)).toBeCloseTo(expected, 12);
});

describe('suppression', () => {
  const rules = { overlapMax: 0.5, detectionsMax: 10, byLabel: true };
  const cat: Box = [0, 0, 0.5, 0.5];
  const near: Box = [0.05, 0, 0.5, 0.5];
  const seen = [
    { label: 'cat', score: 0.7, box: near },
    { label: 'cat', score: 0.9, box: cat },
    { label: 'dog', score: 0.8, box: near },
    { label: 'cat', score: 0.6, box: [0.6, 0.6, 1, 1] as Box },
  ];
  const scores = (kept: readonly { score: number }[]) => kept.map(({ score }) => score);
  test('keeps the surest of each label and place', () => {
    expect(scores(suppressOverlaps(seen, rules))).toEqual([0.9, 0.8, 0.6]);
  });
  test('across labels keeps the surest of each place', () => {
    expect(scores(suppressOverlaps(seen, { ...rules, byLabel: false }))).toEqual([0.9, 0.6]);
  });
  test('stops at the limit', () => {
    expect(scores(suppressOverlaps(seen, { ...rules, detectionsMax: 1 }))).toEqual([0.9]);
  });
  test('an overlap of exactly the limit stays', () => {
    const half = { label: 'cat', score: 0.5, box: [0, 0, 0.5, 0.25] as Box };
    const whole = { label: 'cat', score: 0.9, box: cat };
    expect(suppressOverlaps([half, whole], rules)).toHaveLength(2);
  });
});

test.each([
  ['squash', [0.25, 0.25, 0.75, 0.75], [0.25, 0.25, 0.75, 0.75]],
  // 200 x 100 on 100 x 100: shown 100 x 50 from row 25, or 200 x 100 from column -50.
  ['fit-longest', [0, 0.25, 1, 0.75], [0, 0, 1, 1]],
  ['fit-longest', [0.5, 0.5, 0.6, 0.6], [0.5, 0.5, 0.6, 0.7]],
  ['fit-longest', [0, 0, 1, 1], [0, 0, 1, 1]],
  ['fit-shortest', [0, 0, 1, 1], [0.25, 0, 0.75, 1]],
  ['fit-shortest', [0.5, 0.5, 1, 1], [0.5, 0.5, 0.75, 1]],
] as const)('%s is undone for the box %j', (mode: FitMode, box, expected) => {
  const picture = { width: 200, height: 100 };
  const found = unfitBox(box, { picture, target: { width: 100, height: 100 }, mode });
  found.forEach((side, index) => {
    expect(side).toBeCloseTo(expected[index]!, 12);
  });
});
