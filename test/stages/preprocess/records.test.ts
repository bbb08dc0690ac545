import { expect, test } from 'vitest';
import { FieldError, type Stage } from '../../../src/flow/stage.ts';
import type { ValueType } from '../../../src/flow/value.ts';
import { select } from '../../../src/stages/preprocess/select.ts';
import { stack } from '../../../src/stages/preprocess/stack.ts';
import { zScore } from '../../../src/stages/preprocess/z-score.ts';
import { describeStage } from '../../conformance/stage.ts';
import { compileStage, runStage } from '../../harness/run-stage.ts';
import { given, record, tensor, typeOf } from './values.ts';

const fields = { kind: 'fields' as const };
const values = [record({ x: 1, y: 2, z: 3 }), record({ z: 6, y: 5, x: 4 })];
const config = { fields: ['z', 'x'] };

describeStage({
  stage: select,
  cases: [{ title: 'records', config, input: fields, values }],
  wrongInputs: [typeOf([3]), { kind: 'bytes' }],
});
describeStage({
  stage: stack,
  cases: [
    { title: 'records', config, input: fields, values },
    { title: 'records in float64', config: { ...config, type: 'float64' }, input: fields, values },
  ],
  wrongInputs: [typeOf([3]), { kind: 'text' }],
});
describeStage({
  stage: zScore,
  cases: [
    {
      title: 'rows',
      config: { means: [1, 2], deviations: [2, 4] },
      input: typeOf([-1, 2]),
      values: [tensor([2, 2]), tensor([1, 2])],
    },
  ],
  wrongInputs: [typeOf([3]), typeOf([2, -1]), fields],
});

test('select gives its fields in their order', async () => {
  const result = await given(select, { config, input: fields }, values);
  expect(result).toEqual([[{ z: 3, x: 1 }], [{ z: 6, x: 4 }]]);
  expect(Object.keys(result[1]![0] as object)).toEqual(['z', 'x']);
});

test('stack gives its fields as a tensor, in their order and with their names', async () => {
  expect(await given(stack, { config, input: fields }, values)).toEqual([[[3, 1]], [[6, 4]]]);
  const { output } = await compileStage(stack, { config, input: fields });
  expect(output).toEqual(typeOf([2], { labels: ['z', 'x'] }));
});

test('stack keeps digits in float64 that float32 has not', async () => {
  const use = { config: { fields: ['x'], type: 'float64' }, input: fields };
  const digits = [record({ x: 1_000_000.001 })];
  expect(await given(stack, use, digits)).toEqual([[[1_000_000.001]]]);
  expect(await given(stack, { ...use, config: { fields: ['x'] } }, digits)).toEqual([[[1e6]]]);
});

test('stack takes what select declared', async () => {
  const input = (await compileStage(select, { config, input: fields })).output;
  expect(await given(stack, { config: {}, input }, [values[0]!])).toEqual([[[3, 1]]]);
});

test.each([
  ['select', select],
  ['stack', stack],
])('%s names a missing field, also one that every object has', async (_, stage) => {
  const use = { config: { fields: ['x', 'constructor'] }, input: fields };
  await expect(runStage(stage, use, values)).rejects.toMatchObject({
    code: 'value-invalid',
    message: /field constructor is missing, it has x, y, z/,
  });
});

test.each([
  [{ means: [1, 2], deviations: [2, 4] }, [-0.5, -0.25, 0.5, 0.25]],
  [{ means: [1], deviations: [2] }, [-0.5, 0, 0.5, 1]],
  [{ means: [0, 2], deviations: [2] }, [0, -0.5, 1, 0.5]],
])('z-score scales columns by %j', async (zConfig, expected) => {
  const use = { config: zConfig, input: typeOf([2, 2]) };
  expect(await given(zScore, use, [tensor([2, 2])])).toEqual([[expected]]);
});

const declared = { ...fields, names: ['a', 'b'] };

test.each<[string, Stage, Record<string, unknown>, ValueType]>([
  ['fields', stack, {}, fields],
  ['fields', stack, { fields: ['a', 'c'] }, declared],
  ['fields', select, { fields: ['a', 'a'] }, fields],
  ['means', zScore, { means: [1, 2, 3], deviations: [1] }, typeOf([2])],
  ['deviations', zScore, { means: [1], deviations: [1, 2] }, typeOf([-1])],
])('%s is named where it does not fit', async (field, stage, wrong, input) => {
  const compiled = compileStage(stage, { config: wrong, input });
  await expect(compiled).rejects.toBeInstanceOf(FieldError);
  await expect(compiled).rejects.toMatchObject({ field });
});

test.each([0, -1])('z-score takes no deviation of %d', (deviation) => {
  const parsed = zScore.schema.safeParse({ means: [0], deviations: [deviation] });
  expect(parsed.success).toBe(false);
});
