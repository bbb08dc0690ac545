import { describe, expect, test } from 'vitest';
import type { Value, ValueType } from '../../../src/flow/value.ts';
import { map } from '../../../src/stages/postprocess/map.ts';
import { merge } from '../../../src/stages/postprocess/merge.ts';
import { float32 } from '../../../src/tensor/tensor.ts';
import { describeStage } from '../../conformance/stage.ts';
import { compileStage, runStage, type StageUse } from '../../harness/run-stage.ts';
import { classification, readOutcomes, result, scores, scoresType } from './labelled.ts';

const regions = result({ score: 0.9, regions: [{ box: [0, 0, 1, 1], score: 0.9, area: 1 }] });
const named = {
  verdict: {
    type: classification('free', 'crack'),
    value: result({ label: 'crack', score: 0.8, top: [{ label: 'crack', score: 0.8 }] }),
  },
  where: { type: { kind: 'result', of: 'regions' } as ValueType, value: regions },
  row: { type: scoresType('a', 'b'), value: scores(0.25, 0.75) },
  grid: {
    type: { kind: 'tensor', type: 'float32', shape: [2, 2] } as ValueType,
    value: float32([2, 2], Float32Array.of(1, 2, 3, 4)),
  },
};
const input: ValueType = { kind: 'result', of: 'regions' };

describeStage({
  stage: merge,
  cases: [
    { title: 'two results', config: { a: 'verdict', b: 'where' }, input, named, values: [regions] },
  ],
  wrongInputs: [],
});

describeStage({
  stage: map,
  cases: [
    {
      title: 'scores',
      config: { values: { a: 'ok' }, otherwise: 'defect' },
      input: scoresType('a', 'b', 'c'),
      values: [scores(0.25, 0.5, 0.25)],
    },
    {
      title: 'labels',
      config: { values: { a: 'ok' }, otherwise: 'defect', to: 'verdict' },
      input: classification('a', 'b'),
      values: [result({ label: 'a' }), result({ label: 'b' })],
    },
  ],
  wrongInputs: [{ kind: 'text' }, { kind: 'tensor', type: 'float32', shape: [1, 3] }],
});

describe('merge', () => {
  test.each([
    ['a result', { verdict: 'verdict' }, { verdict: named.verdict.value.result }],
    [
      'fields of results',
      { label: 'verdict.label', regions: 'where.regions' },
      {
        label: 'crack',
        regions: regions.result.regions,
      },
    ],
    ['an element of a list', { best: 'verdict.top.0.score' }, { best: 0.8 }],
    ['a labelled row', { scores: 'row' }, { scores: { a: 0.25, b: 0.75 } }],
    [
      'a tensor without labels',
      { grid: 'grid' },
      {
        grid: [
          [1, 2],
          [3, 4],
        ],
      },
    ],
  ])('of %s', async (_title, config, expected) => {
    const use: StageUse = { config, input, named };
    expect(readOutcomes(await runStage(merge, use, [regions]))).toEqual([expected]);
  });
  test('refuses a name that no step gives', async () => {
    const compiled = compileStage(merge, { config: { a: 'nothing' }, input, named });
    await expect(compiled).rejects.toMatchObject({ field: 'a' });
  });
  test('refuses a path into what is no result', async () => {
    const compiled = compileStage(merge, { config: { a: 'row.b' }, input, named });
    await expect(compiled).rejects.toMatchObject({ field: 'a' });
  });
  test('an empty merge does not parse', () => {
    expect(merge.schema.safeParse({}).success).toBe(false);
  });
  test.each([
    ['a field that the result has not', 'verdict.colour'],
    ["a field of every object's own", 'verdict.constructor'],
  ])('fails an event with %s', async (_title, from) => {
    const run = runStage(merge, { config: { a: from }, input, named }, [regions]);
    await expect(run).rejects.toMatchObject({ code: 'value-invalid' });
  });
  test('fails an event in which a value was not stored', async () => {
    const step = (await compileStage(merge, { config: { a: 'row' }, input, named })).open();
    const context = { event: {} as never, named: (): Value | undefined => undefined };
    expect(() => step.run(regions, context)).toThrow(/no such value/);
  });
});

describe('map', () => {
  const values = { free: 'ok', crack: 'defect', fray: 'defect' };
  test('adds up the scores of labels that become one', async () => {
    const use = { config: { values }, input: scoresType('crack', 'free', 'fray') };
    const found = await runStage(map, use, [scores(0.5, 0.25, 0.125)]);
    expect(readOutcomes(found)).toEqual([[0.625, 0.25]]);
    const { output } = await compileStage(map, use);
    expect(output).toMatchObject({ shape: [1, 2], labels: ['defect', 'ok'] });
  });
  test('renames a label, or writes the name beside it', async () => {
    const use = { config: { values }, input: classification('crack', 'free', 'fray') };
    const crack = result({ label: 'crack', score: 1 });
    expect(readOutcomes(await runStage(map, use, [crack]))).toEqual([
      { label: 'defect', score: 1 },
    ]);
    const beside = { ...use, config: { values, to: 'verdict' } };
    expect(readOutcomes(await runStage(map, beside, [crack]))).toEqual([
      { label: 'crack', score: 1, verdict: 'defect' },
    ]);
  });
  test.each([
    ['values.scratch', { values: { ...values, scratch: 'defect' } }],
    ['otherwise', { values: { free: 'ok' } }],
  ])('is refused with a wrong %s', async (field, config) => {
    for (const type of [
      scoresType('crack', 'free', 'fray'),
      classification('crack', 'free', 'fray'),
    ]) {
      const compiled = compileStage(map, { config, input: type });
      await expect(compiled).rejects.toMatchObject({ field });
    }
  });
  test.each([
    ['a label that nobody named', { label: 'other' }],
    ['no label', { score: 1 }],
    ["a label called as every object's own field", { label: 'constructor' }],
  ])('fails an event with %s', async (_title, fields) => {
    const run = runStage(map, { config: { values }, input: classification() }, [result(fields)]);
    await expect(run).rejects.toMatchObject({ code: 'value-invalid' });
  });
});
