import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  createSlidingWindow,
  type Windowing,
  windowClip,
} from '../../src/signal/sliding-window.ts';

const counted = (length: number, from = 1) =>
  Float32Array.from({ length }, (_, index) => from + index);
const lists = (windows: readonly Float32Array[]) => windows.map((window) => Array.from(window));
const windowing = (options: Partial<Windowing>): Windowing => ({
  size: 4,
  hop: 2,
  pad: 0,
  windowsMax: 100,
  ...options,
});

test.each<[string, number, Partial<Windowing>, 'pad' | 'drop', number[][]]>([
  ['exactly one window', 4, {}, 'pad', [[1, 2, 3, 4]]],
  ['less than one', 2, {}, 'pad', [[1, 2, 0, 0]]],
  ['less than one, dropped', 2, {}, 'drop', []],
  ['nothing', 0, {}, 'pad', [[0, 0, 0, 0]]],
  [
    'windows that end with the clip',
    6,
    {},
    'pad',
    [
      [1, 2, 3, 4],
      [3, 4, 5, 6],
    ],
  ],
  [
    'a rest',
    5,
    {},
    'pad',
    [
      [1, 2, 3, 4],
      [3, 4, 5, 0],
    ],
  ],
  ['a rest, dropped', 5, {}, 'drop', [[1, 2, 3, 4]]],
  [
    'zeros before the first',
    4,
    { pad: 2 },
    'pad',
    [
      [0, 0, 1, 2],
      [1, 2, 3, 4],
    ],
  ],
  [
    'a hop over the size',
    8,
    { hop: 6 },
    'pad',
    [
      [1, 2, 3, 4],
      [7, 8, 0, 0],
    ],
  ],
])('a clip of %s', (_, length, options, partial, expected) => {
  expect(lists(windowClip(counted(length), windowing(options), { width: 1, partial }))).toEqual(
    expected,
  );
});

test('the frames of the Silero detector follow its own context of 64 samples', () => {
  const silero = windowing({ size: 576, hop: 512, pad: 64 });
  const windows = windowClip(counted(1024), silero, { width: 1, partial: 'pad' });
  expect(windows).toHaveLength(2);
  expect([windows[0]![0], windows[0]![63], windows[0]![64], windows[0]![575]]).toEqual([
    0, 0, 1, 512,
  ]);
  expect([windows[1]![0], windows[1]![575]]).toEqual([449, 1024]);
});

test('a stream in blocks of any size gives the windows of the whole signal', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(30), { maxLength: 20 }),
      fc.integer({ min: 1, max: 12 }),
      fc.integer({ min: 1, max: 20 }),
      fc.nat(9),
      (lengths, size, hop, pad) => {
        const options = windowing({ size, hop, pad, windowsMax: 10_000 });
        const sliding = createSlidingWindow(options, 2);
        const streamed: Float32Array[] = [];
        let at = 1;
        for (const length of [0, ...lengths]) {
          streamed.push(...sliding.push(counted(length * 2, at)));
          at += length * 2;
        }
        const whole = windowClip(counted(at - 1), options, { width: 2, partial: 'drop' });
        expect(lists(streamed)).toEqual(lists(whole));
      },
    ),
  );
});

test('a sliding window over its limit refuses the block and stays as it was', () => {
  const sliding = createSlidingWindow(windowing({ windowsMax: 2 }), 1);
  sliding.push(counted(3));
  expect(() => sliding.push(counted(100))).toThrow(RangeError);
  expect(lists(sliding.push(counted(1, 4)))).toEqual([[1, 2, 3, 4]]);
});

test('a sliding window that restarts puts its padding first again', () => {
  const sliding = createSlidingWindow(windowing({ pad: 2 }), 1);
  expect(lists(sliding.push(counted(3)))).toEqual([[0, 0, 1, 2]]);
  sliding.restart();
  expect(lists(sliding.push(counted(2, 9)))).toEqual([[0, 0, 9, 10]]);
});
