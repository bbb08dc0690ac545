import { describe, expect, test } from 'vitest';
import type { Stage } from '../../../src/flow/stage.ts';
import type { Value, ValueType } from '../../../src/flow/value.ts';
import { debounce } from '../../../src/stages/postprocess/debounce.ts';
import { smooth } from '../../../src/stages/postprocess/smooth.ts';
import { threshold } from '../../../src/stages/postprocess/threshold.ts';
import { float32 } from '../../../src/tensor/tensor.ts';
import { describeStage } from '../../conformance/stage.ts';
import { compileStage, eventOf, FIRST_EVENT_TS, runStage } from '../../harness/run-stage.ts';
import { classification, readOutcomes, result, scores, scoresType } from './labelled.ts';

const anomaly: ValueType = { kind: 'result', of: 'anomaly' };
const scored = (...list: readonly number[]) => list.map((score) => result({ score }));
const words = (...labels: readonly string[]) => labels.map((label) => result({ label, score: 1 }));

async function run(stage: Stage, config: object, values: readonly Value[], input: ValueType) {
  return readOutcomes(await runStage(stage, { config: { ...config }, input }, values));
}

describeStage({
  stage: threshold,
  cases: [
    {
      title: 'filter without memory',
      config: { score: 0.5 },
      input: anomaly,
      values: scored(0.4, 0.6),
    },
    {
      title: 'changes with hysteresis',
      config: { score: 0.8, release: 0.4, emit: 'changes' },
      input: anomaly,
      values: scored(0.5, 0.9, 0.5, 0.3, 0.5),
    },
    {
      title: 'the value itself as a state begins',
      config: { score: 0.8, release: 0.4, emit: 'onset' },
      input: anomaly,
      values: scored(0.5, 0.9, 0.5, 0.3, 0.9),
    },
    {
      title: 'state of one label of a tensor',
      config: { score: 0.5, label: 'b', emit: 'state' },
      input: scoresType('a', 'b'),
      values: [scores(0.9, 0.1), scores(0.1, 0.9)],
    },
  ],
  wrongInputs: [{ kind: 'bytes' }, { kind: 'image' }],
});

describeStage({
  stage: smooth,
  cases: [
    { title: 'results', config: { count: 2 }, input: anomaly, values: scored(1, 2, 3) },
    {
      title: 'tensors',
      config: { method: 'exponential', weight: 0.5 },
      input: scoresType('a', 'b'),
      values: [scores(0, 1), scores(1, 0)],
    },
  ],
  wrongInputs: [{ kind: 'text' }],
});

describeStage({
  stage: debounce,
  cases: [
    {
      title: 'words',
      config: { seconds: 2 },
      input: classification(),
      values: words('a', 'a', 'b', 'a', 'a'),
    },
    {
      title: 'words in a row',
      config: { seconds: 0, count: 2 },
      input: classification(),
      values: words('a', 'b', 'b', 'b', 'a'),
    },
  ],
  wrongInputs: [{ kind: 'text' }, scoresType('a')],
});

describe('threshold', () => {
  test('passes values from the score on', async () => {
    const found = await run(threshold, { score: 0.5 }, scored(0.49, 0.5, 0.51), anomaly);
    expect(found).toEqual(['filtered', { score: 0.5 }, { score: 0.51 }]);
  });
  test('stays active down to its release', async () => {
    const config = { score: 0.8, release: 0.4, emit: 'state' };
    const found = await run(threshold, config, scored(0.7, 0.8, 0.4, 0.39, 0.7), anomaly);
    expect(found.map((state) => (state as { active: boolean }).active)).toEqual([
      false,
      true,
      true,
      false,
      false,
    ]);
  });
  test('tells changes only, and the first state', async () => {
    const config = { score: 0.5, emit: 'changes' };
    expect(await run(threshold, config, scored(0.1, 0.2, 0.9, 0.8, 0.1), anomaly)).toEqual([
      { active: false, score: 0.1 },
      'hold',
      { active: true, score: 0.9 },
      'hold',
      { active: false, score: 0.1 },
    ]);
  });
  test.each([
    ['the best label', {}, { label: 'b', score: 0.7, top: [] }, 0.7],
    ['the label that is best', { label: 'b' }, { label: 'b', score: 0.7, top: [] }, 0.7],
    [
      'a label further down',
      { label: 'a' },
      { label: 'b', score: 0.7, top: [{ label: 'a', score: 0.2 }] },
      0.2,
    ],
    ['a label that is not told', { label: 'a' }, { label: 'b', score: 0.7, top: [] }, 0],
    ['a field further in', { field: 'top.0.score' }, { top: [{ score: 0.3 }] }, 0.3],
  ])('reads %s', async (_title, fields, value, score) => {
    const config = { score: 0.5, emit: 'state', ...fields };
    const input = classification('a', 'b');
    expect(await run(threshold, config, [result(value)], input)).toMatchObject([{ score }]);
  });
  test('reads one element of a tensor', async () => {
    const input: ValueType = { kind: 'tensor', type: 'float32', shape: [1, 2] };
    const config = { score: 0.5, emit: 'state', element: 1 };
    const found = await run(threshold, config, [scores(0.1, 0.75)], input);
    expect(found).toEqual([{ active: true, score: 0.75 }]);
  });
  test('reads the best element of a tensor where none is named', async () => {
    const values = [scores(0.25, 0.75, 0.5), scores(0.25, 0.125, 0)];
    const config = { score: 0.5, emit: 'state' };
    expect(await run(threshold, config, values, scoresType('a', 'b', 'c'))).toEqual([
      { active: true, score: 0.75 },
      { active: false, score: 0.25 },
    ]);
    const bad = run(threshold, config, [scores(1, Number.NaN, 2)], scoresType('a', 'b', 'c'));
    await expect(bad).rejects.toMatchObject({ code: 'value-invalid' });
  });
  test.each([
    ['a field that is missing', {}],
    ['a field that is no number', { score: 'high' }],
    ['a field that is not finite', { score: Number.NaN }],
  ])('fails an event with %s', async (_title, value) => {
    const bad = run(threshold, { score: 0.5 }, [result(value)], anomaly);
    await expect(bad).rejects.toMatchObject({ code: 'value-invalid' });
  });
  test.each([
    ['release', { score: 0.5, release: 0.6 }, anomaly],
    ['label', { score: 0.5, label: 'c' }, scoresType('a', 'b')],
    ['label', { score: 0.5, label: 'c' }, classification('a', 'b')],
    ['label', { score: 0.5, label: 'a' }, anomaly],
    ['element', { score: 0.5, element: 2 }, scoresType('a', 'b')],
    ['element', { score: 0.5, element: 0 }, anomaly],
    ['field', { score: 0.5, field: 'score' }, scoresType('a')],
  ] as const)('is refused with a wrong %s: %j', async (field, config, input) => {
    await expect(compileStage(threshold, { config, input })).rejects.toMatchObject({ field });
  });
});

describe('smooth', () => {
  test('is the mean of the last values, of fewer at first', async () => {
    const found = await run(smooth, { count: 3 }, scored(3, 6, 9, 12), anomaly);
    expect(found).toEqual([{ score: 3 }, { score: 4.5 }, { score: 6 }, { score: 9 }]);
  });
  test('weighs the newest in the exponential mean', async () => {
    const config = { method: 'exponential', weight: 0.25 };
    const found = await run(smooth, config, scored(0, 4, 4), anomaly);
    expect(found).toEqual([{ score: 0 }, { score: 1 }, { score: 1.75 }]);
  });
  test('works on each element of a tensor', async () => {
    const values = [scores(0, 8), scores(2, 4)];
    expect(await run(smooth, { count: 2 }, values, scoresType('a', 'b'))).toEqual([
      [0, 8],
      [1, 6],
    ]);
  });
  test('changes the field it is told and no other', async () => {
    const values = [result({ a: 1, score: 1 }), result({ a: 3, score: 3 })];
    expect(await run(smooth, { field: 'a' }, values, anomaly)).toEqual([
      { a: 1, score: 1 },
      { a: 2, score: 3 },
    ]);
  });
  test('a number that is not finite fails its event and is not remembered', async () => {
    const compiled = await compileStage(smooth, { config: { count: 9 }, input: scoresType('a') });
    const step = compiled.open();
    const context = { event: eventOf(), named: () => undefined };
    const give = async (score: number) => step.run(scores(score), context);
    await give(1);
    await expect(give(Number.NaN)).rejects.toMatchObject({ code: 'value-invalid' });
    expect(await give(3)).toEqual({ kind: 'emit', value: float32([1, 1], Float32Array.of(2)) });
  });
  test('is refused where its memory would be too large', async () => {
    const input: ValueType = { kind: 'tensor', type: 'float32', shape: [1024, 1024] };
    const compiled = compileStage(smooth, { config: { count: 2 }, input });
    await expect(compiled).rejects.toMatchObject({ field: 'count' });
  });
});

describe('debounce', () => {
  const input = classification();
  test('drops what repeats within its time, each label on its own', async () => {
    const values = words('a', 'a', 'b', 'a', 'b', 'b');
    const found = await run(debounce, { seconds: 2.5 }, values, input);
    expect(found.map((one) => (typeof one === 'string' ? one : 'passed'))).toEqual([
      'passed', // a at 0 s
      'filtered',
      'passed', // b at 2 s
      'passed', // a at 3 s
      'filtered',
      'passed', // b at 5 s
    ]);
  });
  test('waits for as many in a row', async () => {
    const found = await run(debounce, { seconds: 0, count: 2 }, words('a', 'a', 'b', 'a'), input);
    expect(found.map((one) => typeof one)).toEqual(['string', 'object', 'string', 'string']);
  });
  test('by another field, and by one that is missing', async () => {
    const values = [result({ zone: 1 }), result({ zone: 2 }), result({}), result({})];
    const found = await run(debounce, { seconds: 60, by: 'zone' }, values, input);
    expect(found.map((one) => typeof one)).toEqual(['object', 'object', 'object', 'string']);
  });
  test('a clock that is set back does not keep it silent', async () => {
    const step = (await compileStage(debounce, { config: { seconds: 5 }, input })).open();
    const at = (ts: number) =>
      step.run(words('a')[0]!, { event: eventOf({ ts }), named: () => undefined });
    expect(await at(FIRST_EVENT_TS)).toMatchObject({ kind: 'emit' });
    expect(await at(FIRST_EVENT_TS - 1000)).toMatchObject({ kind: 'drop' });
    expect(await at(FIRST_EVENT_TS - 3_600_000)).toMatchObject({ kind: 'emit' });
  });
  test('remembers a bounded number of labels', async () => {
    const step = (await compileStage(debounce, { config: { seconds: 60 }, input })).open();
    const context = { event: eventOf(), named: () => undefined };
    for (let label = 0; label < 3000; label += 1) await step.run(words(`${label}`)[0]!, context);
    expect(step.snapshot?.()).toMatchObject({ passed: { length: 1000 } });
  });
});
