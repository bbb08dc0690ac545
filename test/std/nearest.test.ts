import { expect, test } from 'vitest';
import { nearest } from '../../src/std/nearest.ts';

const STAGES = ['softmax', 'sigmoid', 'smooth', 'top-k', 'mfcc', 'json'];

test.each([
  ['sofmax', 'softmax'],
  ['SOFTMAX', 'softmax'],
  ['softmaxx', 'softmax'],
  ['smoth', 'smooth'],
  ['topk', 'top-k'],
  ['mfc', 'mfcc'],
  ['jsno', 'json'],
  ['xyz', undefined],
  ['', undefined],
  ['spectrogram', undefined],
])('near %j is %j', (name, expected) => {
  expect(nearest(name, STAGES)).toBe(expected);
});

test('nothing is near where there is nothing', () => {
  expect(nearest('a', [])).toBeUndefined();
});

test('the one with the fewest edits wins', () => {
  expect(nearest('abcd', ['abxx', 'abcx', 'xbcx'])).toBe('abcx');
});
