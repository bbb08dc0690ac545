import { describe, expect, test } from 'vitest';
import { FieldError, type Stage } from '../../../src/flow/stage.ts';
import type { ValueType } from '../../../src/flow/value.ts';
import { cast } from '../../../src/stages/preprocess/cast.ts';
import { combine } from '../../../src/stages/preprocess/combine.ts';
import { reshape } from '../../../src/stages/preprocess/reshape.ts';
import { scale } from '../../../src/stages/preprocess/scale.ts';
import { describeStage } from '../../conformance/stage.ts';
import { compileStage, runStage } from '../../harness/run-stage.ts';
import { given, tensor, typeOf } from './values.ts';

const other = (shape: readonly number[], from: number | number[] = 0) => ({
  mask: { type: typeOf(shape), value: tensor(shape, from) },
});
const two = [tensor([2, 3]), tensor([1, 3], 9)];

describeStage({
  stage: scale,
  cases: [
    { title: 'tensors', config: { multiply: 2, add: 1 }, input: typeOf([-1, 3]), values: two },
  ],
  wrongInputs: [{ kind: 'text' }, { ...typeOf([3]), type: 'uint8' }],
});
describeStage({
  stage: reshape,
  cases: [{ title: 'tensors', config: { shape: [1, -1] }, input: typeOf([-1, 3]), values: two }],
  wrongInputs: [{ kind: 'image' }],
});
describeStage({
  stage: cast,
  cases: [
    { title: 'to int8', config: { type: 'int8', scale: 0.5 }, input: typeOf([-1, 3]), values: two },
    { title: 'to int64', config: { type: 'int64' }, input: typeOf([-1, 3]), values: two },
    { title: 'to float16', config: { type: 'float16' }, input: typeOf([-1, 3]), values: two },
  ],
  wrongInputs: [{ kind: 'fields' }],
});
describeStage({
  stage: combine,
  cases: [
    {
      title: 'a product',
      config: { operation: 'multiply', with: 'mask' },
      input: typeOf([-1, 3]),
      named: other([3]),
      values: two,
    },
    {
      title: 'a row more',
      config: { operation: 'concat', with: 'mask' },
      input: typeOf([-1, 3]),
      named: other([1, 3]),
      values: two,
    },
  ],
  wrongInputs: [typeOf([4]), { kind: 'bytes' }],
});

test.each([
  [{ multiply: 32_768 }, [0, 0.5, -1], [0, 16_384, -32_768]],
  [{ multiply: 0.1, add: 2 }, [0, 10], [2, 3]],
  [{ multiply: 10, least: -5, most: 6 }, [-1, 0.5, 1], [-5, 5, 6]],
])('scale by %j', async (config, from, expected) => {
  const use = { config, input: typeOf([-1]) };
  expect(await given(scale, use, [tensor([from.length], from)])).toEqual([[expected]]);
});

describe('reshape', () => {
  test.each([
    [
      [49, 10],
      [1, 49, 10, 1],
      [1, 49, 10, 1],
    ],
    [
      [1, 1, 8, 32],
      [-1, 32],
      [8, 32],
    ],
    [
      [-1, 4],
      [2, -1],
      [2, -1],
    ],
    [[1], [], []],
  ])('of %j to %j declares %j', async (from, shape, expected) => {
    const { output } = await compileStage(reshape, { config: { shape }, input: typeOf(from) });
    expect(output).toEqual(typeOf(expected));
  });

  test('keeps the elements and their buffer', async () => {
    const value = tensor([2, 3]);
    const [outcome] = await runStage(
      reshape,
      { config: { shape: [3, -1] }, input: typeOf([-1, 3]) },
      [value],
    );
    expect(outcome).toEqual({ kind: 'emit', value: { ...value, shape: [3, 2] } });
  });

  test('keeps the rate where the rows stay and the labels where the columns do', async () => {
    const input = typeOf([8, 2], { sampleRateHz: 100, labels: ['a', 'b'] });
    const declared = async (shape: number[]) =>
      (await compileStage(reshape, { config: { shape }, input })).output;
    expect(await declared([8, 1, 2])).toEqual({ ...input, shape: [8, 1, 2] });
    expect(await declared([1, 8, 2])).toEqual(typeOf([1, 8, 2], { labels: ['a', 'b'] }));
    expect(await declared([16])).toEqual(typeOf([16]));
  });

  test('refuses elements that do not fill the shape', async () => {
    const use = { config: { shape: [4, -1] }, input: typeOf([-1, 3]) };
    await expect(runStage(reshape, use, two)).rejects.toMatchObject({ code: 'shape-mismatch' });
  });
});

describe('cast', () => {
  const from = [-1000, -1.5, -0.5, 0.5, 1.5, 2.4, 300, Number.NaN];
  test.each([
    ['int8', {}, [-128, -2, 0, 0, 2, 2, 127, 0]],
    ['uint8', {}, [0, 0, 0, 0, 2, 2, 255, 0]],
    ['int32', {}, [-1000, -2, 0, 0, 2, 2, 300, 0]],
    ['int64', {}, [-1000, -2, 0, 0, 2, 2, 300, 0]],
    ['uint64', {}, [0, 0, 0, 0, 2, 2, 300, 0]],
    ['bool', {}, [1, 1, 1, 1, 1, 1, 1, 1]],
    ['int8', { scale: 0.5, zeroPoint: -3 }, [-128, -6, -4, -2, 0, 2, 127, 0]],
  ])('to %s with %j', async (type, quantisation, expected) => {
    const use = { config: { type, ...quantisation }, input: typeOf([8]) };
    expect(await given(cast, use, [tensor([8], from)])).toEqual([[expected]]);
  });

  test('restores what it quantised, to half a step', async () => {
    const quantisation = { scale: 0.02, zeroPoint: 5 };
    const values = Array.from({ length: 200 }, (_, index) => (index - 100) / 50);
    const use = { config: { type: 'int8', ...quantisation }, input: typeOf([200]) };
    const [outcome] = await runStage(cast, use, [tensor([200], values)]);
    if (outcome?.kind !== 'emit') throw new Error('nothing came');
    const back = {
      config: { type: 'float32', ...quantisation },
      input: { ...typeOf([200]), type: 'int8' as const },
    };
    const [[restored]] = (await given(cast, back, [outcome.value])) as [[number[]]];
    for (const [index, value] of values.entries()) {
      expect(Math.abs(restored[index]! - value)).toBeLessThanOrEqual(0.01 + 1e-6);
    }
  });

  test.each([
    [0, 0],
    [1, 0x3c00],
    [-2, 0xc000],
    [65_504, 0x7bff],
    [65_519, 0x7bff],
    [65_520, 0x7c00],
    [-Infinity, 0xfc00],
    [2 ** -14, 0x0400],
    [2 ** -24, 0x0001],
    [2 ** -25, 0x0000],
    [1.5 * 2 ** -24, 0x0002],
    [1 + 2 ** -11, 0x3c00],
    [1 + 3 * 2 ** -11, 0x3c02],
    [0.1, 0x2e66],
  ])('of %d to float16 gives the bits %i', async (value, bits) => {
    const use = { config: { type: 'float16' }, input: typeOf([1]) };
    expect(await given(cast, use, [tensor([1], [value])])).toEqual([[[bits]]]);
  });

  test('of every float16 to float32 and back is the same', async () => {
    const bits = Uint16Array.from({ length: 0x10000 }, (_, index) => index).filter(
      (half) => (half & 0x7c00) !== 0x7c00 || (half & 0x3ff) === 0,
    );
    const shape = [bits.length];
    const half = { kind: 'tensor', type: 'float16', shape, data: bits } as const;
    const use = {
      config: { type: 'float32' },
      input: { ...typeOf(shape), type: 'float16' as const },
    };
    const [outcome] = await runStage(cast, use, [half]);
    if (outcome?.kind !== 'emit') throw new Error('nothing came');
    const back = { config: { type: 'float16' }, input: typeOf(shape) };
    expect(await given(cast, back, [outcome.value])).toEqual([[Array.from(bits)]]);
  });
});

describe('combine', () => {
  test.each([
    ['multiply', [2, 3], [2, 3], [0, 1, 4, 9, 16, 25]],
    ['multiply', [2, 3], [3], [0, 1, 4, 0, 4, 10]],
    ['add', [2, 1], [3], [0, 1, 2, 1, 2, 3]],
    ['subtract', [3], [2, 1], [0, 1, 2, -1, 0, 1]],
    ['multiply', [2], [], [0, 0]],
    ['concat', [2], [1], [0, 1, 0]],
  ])('%s of %j and %j', async (operation, shape, otherShape, expected) => {
    const use = {
      config: { operation, with: 'mask' },
      input: typeOf(shape),
      named: other(otherShape),
    };
    expect(await given(combine, use, [tensor(shape)])).toEqual([[expected]]);
  });

  test('joins along an inner axis', async () => {
    const config = { operation: 'concat', with: 'mask', axis: 1 };
    const use = { config, input: typeOf([2, 2]), named: other([2, 1], 7) };
    expect(await given(combine, use, [tensor([2, 2])])).toEqual([[[0, 1, 7, 2, 3, 8]]]);
  });

  test('refuses shapes that turn out not to fit', async () => {
    const config = { operation: 'add', with: 'mask' };
    const use = {
      config,
      input: typeOf([-1]),
      named: { mask: { ...other([3]).mask, type: typeOf([-1]) } },
    };
    await expect(runStage(combine, use, [tensor([4])])).rejects.toMatchObject({
      code: 'shape-mismatch',
    });
  });
});

const named = other([5]);

test.each<[string, Stage, Record<string, unknown>, ValueType]>([
  ['shape', reshape, { shape: [-1, -1] }, typeOf([4])],
  ['shape', reshape, { shape: [3] }, typeOf([4])],
  ['shape', reshape, { shape: [0, -1] }, typeOf([-1])],
  ['scale', cast, { type: 'float16', scale: 2 }, typeOf([4])],
  ['with', combine, { operation: 'add', with: 'nobody' }, typeOf([5])],
  ['with', combine, { operation: 'add', with: 'mask' }, typeOf([4])],
  ['with', combine, { operation: 'concat', with: 'mask', axis: 1 }, typeOf([5])],
])('%s is named where it does not fit: %#', async (field, stage, config, input) => {
  const compiled = compileStage(stage, { config, input, named });
  await expect(compiled).rejects.toBeInstanceOf(FieldError);
  await expect(compiled).rejects.toMatchObject({ field });
});
