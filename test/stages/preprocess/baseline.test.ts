import { expect, test } from 'vitest';
import type { Outcome } from '../../../src/flow/stage.ts';
import type { Value } from '../../../src/flow/value.ts';
import { baseline } from '../../../src/stages/preprocess/baseline.ts';
import { FIELDS_MAX } from '../../../src/stages/preprocess/watched-fields.ts';
import { float32 } from '../../../src/tensor/tensor.ts';
import { describeStage } from '../../conformance/stage.ts';
import { compileStage, runStage, runStep } from '../../harness/run-stage.ts';

const SMALL = { learn: 40, window: 4 };

/** What a machine sends at a moment: two coupled fields and a constant one. */
function machine(at: number, offset = 0): Value {
  const load = Math.sin(at * 0.7) + Math.sin(at * 1.93);
  const fields = { speed: 20 + load + offset, current: 5 + 2 * load, voltage: 230 };
  return { kind: 'fields', fields };
}

const machines = (count: number, offset = 0, from = 0): Value[] =>
  Array.from({ length: count }, (_, at) => machine(from + at, offset));

const vector = (at: number) =>
  float32([2], Float32Array.of(Math.sin(at * 0.7), Math.sin(at * 1.3)));

/** The distance that an outcome tells; undefined where it tells none. */
function distanceOf(outcome: Outcome | undefined): number | undefined {
  if (outcome?.kind !== 'emit' || outcome.value.kind !== 'fields') return undefined;
  return Math.hypot(...Object.values(outcome.value.fields));
}

const fieldsUse = (config: Record<string, unknown>) => ({
  config: { ...SMALL, ...config },
  input: { kind: 'fields' as const },
});

describeStage({
  stage: baseline,
  cases: [
    { title: 'fields', ...fieldsUse({}), values: machines(46) },
    { title: 'named fields', ...fieldsUse({ fields: ['speed'] }), values: machines(43) },
    {
      title: 'a tensor',
      config: SMALL,
      input: { kind: 'tensor', type: 'float32', shape: [2] },
      values: Array.from({ length: 43 }, (_, at) => vector(at)),
    },
  ],
  wrongInputs: [
    { kind: 'bytes' },
    { kind: 'tensor', type: 'int8', shape: [4] },
    { kind: 'tensor', type: 'float32', shape: [2, 2] },
    { kind: 'tensor', type: 'float32', shape: [FIELDS_MAX + 1] },
  ],
});

test('baseline holds while it learns, then tells small distances of the same machine', async () => {
  const outcomes = await runStage(baseline, fieldsUse({}), machines(80));
  expect(outcomes.slice(0, 40).every(({ kind }) => kind === 'hold')).toBe(true);
  for (const outcome of outcomes.slice(40)) expect(distanceOf(outcome)).toBeLessThan(2);
});

test('baseline tells a change of one field, and which field it is', async () => {
  const outcomes = await runStage(baseline, fieldsUse({}), [
    ...machines(40),
    ...machines(8, 3, 40),
  ]);
  const last = outcomes.at(-1);
  expect(distanceOf(last)).toBeGreaterThan(4);
  expect(last).toMatchObject({ value: { fields: { voltage: expect.closeTo(0, 3) } } });
});

test.each([
  [50, true],
  [0, false],
])('baseline with adaptEvents %i follows a slow drift: %s', async (adaptEvents, follows) => {
  const drift = Array.from({ length: 2000 }, (_, at) => machine(40 + at, at * 0.001));
  const use = fieldsUse({ adaptEvents });
  const outcomes = await runStage(baseline, use, [...machines(40), ...drift]);
  expect(distanceOf(outcomes.at(-1))! < 2).toBe(follows);
});

test('baseline refuses an event and goes on as if it had not come', async () => {
  const use = fieldsUse({});
  const step = (await compileStage(baseline, use)).open();
  for (const value of machines(42)) await runStep(step, value, { use });
  const broken: Value[] = [
    { kind: 'fields', fields: { speed: Number.NaN, current: 5, voltage: 230 } },
    { kind: 'fields', fields: { speed: 20, current: 5 } },
    { kind: 'fields', fields: { speed: 1e200, current: 5, voltage: 230 } },
  ];
  for (const value of broken) {
    await expect(runStep(step, value, { use })).rejects.toMatchObject({ code: 'value-invalid' });
  }
  const after = await runStep(step, machine(42), { use });
  expect(after).toEqual((await runStage(baseline, use, machines(43))).at(-1));
});

test('baseline refuses a device with more fields than it can learn', async () => {
  const names = Array.from({ length: FIELDS_MAX + 1 }, (_, at) => [`field${at}`, at]);
  const value: Value = { kind: 'fields', fields: Object.fromEntries(names) };
  await expect(runStage(baseline, fieldsUse({}), [value])).rejects.toMatchObject({
    code: 'value-invalid',
  });
});

test('baseline takes its fields by name, in whatever order they come', async () => {
  const turned = machines(45).map((value): Value => {
    const { fields } = value as Extract<Value, { kind: 'fields' }>;
    return { kind: 'fields', fields: Object.fromEntries(Object.entries(fields).reverse()) };
  });
  const outcomes = await runStage(baseline, fieldsUse({}), [...machines(40), ...turned.slice(40)]);
  expect(outcomes).toEqual(await runStage(baseline, fieldsUse({}), machines(45)));
});

test('baseline tells in its snapshot how far learning is', async () => {
  const use = fieldsUse({});
  const step = (await compileStage(baseline, use)).open();
  expect(step.snapshot?.()).toBeUndefined();
  for (const value of machines(12)) await runStep(step, value, { use });
  expect(step.snapshot?.()).toMatchObject({ phase: 'learning', seen: 12, learn: 40 });
});

test('baseline does not take back a normal of another window', async () => {
  const step = (await compileStage(baseline, fieldsUse({}))).open();
  for (const value of machines(41)) await runStep(step, value, { use: fieldsUse({}) });
  const other = (await compileStage(baseline, fieldsUse({ window: 5 }))).open();
  expect(() => other.restore?.(step.snapshot?.())).toThrow(/window of 4/);
});

test('baseline refuses to learn from less than two windows', async () => {
  const use = fieldsUse({ window: 21 });
  await expect(compileStage(baseline, use)).rejects.toMatchObject({ field: 'learn' });
});
