import { expect, test } from 'vitest';
import { layout } from '../../../src/stages/preprocess/layout.ts';
import { FREE, tensorOf } from '../../../src/tensor/tensor.ts';
import { describeStage } from '../../conformance/stage.ts';
import { compileStage, runStage } from '../../harness/run-stage.ts';

const pixels = (shape: readonly number[]) => ({ kind: 'tensor', type: 'uint8', shape }) as const;
const uint8 = (shape: readonly number[], ...data: number[]) =>
  tensorOf('uint8', shape, Uint8Array.from(data));

describeStage({
  stage: layout,
  cases: [
    {
      title: 'hwc to nchw',
      config: {},
      input: pixels([1, 2, 3]),
      values: [uint8([1, 2, 3], 1, 2, 3, 4, 5, 6)],
    },
    {
      title: 'a batch axis alone',
      config: { to: 'nhwc' },
      input: pixels([1, 2, 3]),
      values: [uint8([1, 2, 3], 1, 2, 3, 4, 5, 6)],
    },
  ],
  wrongInputs: [{ kind: 'image' }, pixels([6]), pixels([1, 1, 1, 2, 3])],
});

test.each([
  ['hwc', 'nchw', [1, 2, 3], [1, 3, 1, 2], [1, 4, 2, 5, 3, 6]],
  ['hwc', 'chw', [1, 2, 3], [3, 1, 2], [1, 4, 2, 5, 3, 6]],
  ['hwc', 'nhwc', [1, 2, 3], [1, 1, 2, 3], [1, 2, 3, 4, 5, 6]],
  ['chw', 'nhwc', [3, 1, 2], [1, 1, 2, 3], [1, 3, 5, 2, 4, 6]],
  ['chw', 'hwc', [3, 1, 2], [1, 2, 3], [1, 3, 5, 2, 4, 6]],
  ['chw', 'nchw', [2, 3, 1], [1, 2, 3, 1], [1, 2, 3, 4, 5, 6]],
  ['hwc', 'nchw', [2, 1, 1, 3], [2, 3, 1, 1], [1, 2, 3, 4, 5, 6]],
  ['hwc', 'nchw', [3, 1, 2, 1], [3, 1, 1, 2], [1, 2, 3, 4, 5, 6]],
  ['hwc', 'hwc', [1, 1, 2, 3], [1, 2, 3], [1, 2, 3, 4, 5, 6]],
] as const)('layout %s to %s of %j', async (from, to, before, after, expected) => {
  const use = { config: { from, to }, input: pixels(before) };
  const [outcome] = await runStage(layout, use, [uint8(before, 1, 2, 3, 4, 5, 6)]);
  expect(outcome).toEqual({ kind: 'emit', value: uint8(after, ...expected) });
  expect((await compileStage(layout, use)).output).toMatchObject({ shape: after });
});

test('layout swaps each picture of a batch on its own', async () => {
  const use = { config: {}, input: pixels([2, 1, 2, 2]) };
  const [outcome] = await runStage(layout, use, [uint8([2, 1, 2, 2], 1, 2, 3, 4, 5, 6, 7, 8)]);
  const value = uint8([2, 2, 1, 2], 1, 3, 2, 4, 5, 7, 6, 8);
  expect(outcome).toEqual({ kind: 'emit', value });
});

test('layout keeps sizes that are free until an event comes', async () => {
  const use = { config: {}, input: pixels([FREE, FREE, 3]) };
  expect((await compileStage(layout, use)).output).toMatchObject({ shape: [1, 3, FREE, FREE] });
});

test('layout refuses to take off a batch axis of several', async () => {
  const use = { config: { to: 'chw' }, input: pixels([2, 1, 1, 3]) };
  await expect(compileStage(layout, use)).rejects.toMatchObject({ field: 'to' });
});
