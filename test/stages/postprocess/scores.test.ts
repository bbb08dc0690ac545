import { describe, expect, test } from 'vitest';
import { FieldError, type Stage } from '../../../src/flow/stage.ts';
import type { ValueType } from '../../../src/flow/value.ts';
import { pick } from '../../../src/stages/postprocess/pick.ts';
import { sigmoid } from '../../../src/stages/postprocess/sigmoid.ts';
import { softmax } from '../../../src/stages/postprocess/softmax.ts';
import { topK } from '../../../src/stages/postprocess/top-k.ts';
import { FREE, float32, type Tensor, tensorOf } from '../../../src/tensor/tensor.ts';
import { describeStage } from '../../conformance/stage.ts';
import { compileStage, runStage } from '../../harness/run-stage.ts';
import { readOutcomes, result, scores, scoresType } from './labelled.ts';

const two: ValueType = {
  kind: 'tensors',
  tensors: {
    logits: { type: 'float32', shape: [1, 3] },
    mask: { type: 'float32', shape: [1, 2, 2] },
  },
  labels: ['a', 'b', 'c'],
};
const outputs = {
  kind: 'tensors' as const,
  tensors: { logits: scores(1, 2, 3), mask: float32([1, 2, 2], Float32Array.of(1, 2, 3, 4)) },
};
const one: ValueType = {
  kind: 'tensors',
  tensors: { logits: { type: 'float32', shape: [1, 3] } },
  labels: ['a', 'b', 'c'],
};

const cases = [
  {
    title: 'a row of scores',
    config: {},
    input: scoresType('a', 'b', 'c'),
    values: [scores(1, 2, 3), scores(-1, 0, 1)],
  },
  {
    title: "a model's only output",
    config: {},
    input: one,
    values: [{ kind: 'tensors' as const, tensors: { logits: scores(1, 2, 3) } }],
  },
];
const wrongInputs: readonly ValueType[] = [{ kind: 'text' }, two];

for (const stage of [softmax, sigmoid, topK]) describeStage({ stage, cases, wrongInputs });

describeStage({
  stage: pick,
  cases: [
    { title: 'an output', config: { name: 'mask' }, input: two, values: [outputs] },
    { title: 'a part', config: { name: 'mask', index: [0, 1] }, input: two, values: [outputs] },
  ],
  wrongInputs: [{ kind: 'text' }, one, scoresType('a')],
});

async function run(stage: Stage, config: object, tensor: Tensor, labels?: readonly string[]) {
  const { type, shape } = tensor;
  const input: ValueType = { kind: 'tensor', type, shape, ...(labels && { labels }) };
  return readOutcomes(await runStage(stage, { config: { ...config }, input }, [tensor]))[0];
}

describe('softmax and sigmoid', () => {
  test.each([
    [{}, scores(0, 0, 0, 0), [0.25, 0.25, 0.25, 0.25]],
    [{}, scores(1, 2, 3), [0.09, 0.2447, 0.6652]],
    [{}, scores(1000, 1001), [0.2689, 0.7311]],
    [{}, scores(-1e30, 0), [0, 1]],
    [{ temperature: 2 }, scores(0, 2), [0.2689, 0.7311]],
    [{}, float32([2, 2], Float32Array.of(0, 0, 0, 1)), [0.5, 0.5, 0.2689, 0.7311]],
    [{}, tensorOf('int8', [1, 2], Int8Array.of(0, 1)), [0.2689, 0.7311]],
    // 0x3c00 is 1, 0xc000 is -2 in binary16.
    [{}, tensorOf('float16', [1, 2], Uint16Array.of(0x3c00, 0xc000)), [0.9526, 0.0474]],
  ])('softmax %j', async (config, tensor, expected) => {
    expect(await run(softmax, config, tensor)).toEqual(expected);
  });
  test('sigmoid', async () => {
    const expected = [0.5, 0.7311, 0.2689, 1, 0];
    expect(await run(sigmoid, {}, scores(0, 1, -1, 1000, -1000))).toEqual(expected);
  });
});

describe('top-k', () => {
  test.each([
    [1, scores(0.1, 0.7, 0.2), ['b']],
    [2, scores(0.1, 0.7, 0.2), ['b', 'c']],
    [5, scores(0.1, 0.7, 0.2), ['b', 'c', 'a']],
    [3, scores(0.5, 0.5, 0.5), ['a', 'b', 'c']],
  ])('the best %i', async (k, row, expected) => {
    const found = await run(topK, { k }, row, ['a', 'b', 'c']);
    const { label, score, top } = found as { label: string; score: number; top: unknown[] };
    expect(top.map((entry) => (entry as { label: string }).label)).toEqual(expected);
    expect(top[0]).toEqual({ label, score });
  });
  test('agrees with a sort on a thousand classes', async () => {
    const row = Array.from({ length: 1000 }, (_, index) => ((index * 7919) % 1000) / 1000);
    const expected = row
      .map((score, index) => ({ label: String(index), score }))
      .sort((a, b) => b.score - a.score)
      .slice(0, 20);
    expect(await run(topK, { k: 20 }, scores(...row))).toMatchObject({ top: expected });
  });
  test('names of its own come before those of the model', async () => {
    const labels = ['x', 'y'];
    expect(await run(topK, { labels }, scores(1, 0), ['a', 'b'])).toMatchObject({ label: 'x' });
  });
  test('a score that is no number is an error', async () => {
    const bad = run(topK, {}, scores(0.1, Number.NaN, 0.9), ['a', 'b', 'c']);
    await expect(bad).rejects.toMatchObject({ code: 'value-invalid' });
  });
  test('a row that turns out to have more scores than labels is an error', async () => {
    const input: ValueType = { kind: 'tensor', type: 'float32', shape: [1, FREE], labels: ['a'] };
    const bad = runStage(topK, { config: {}, input }, [scores(1, 2)]);
    await expect(bad).rejects.toMatchObject({ code: 'shape-mismatch' });
  });
  test.each([
    ['labels', { labels: ['a', 'b'] }, scoresType('a', 'b', 'c')],
    ['', {}, { kind: 'tensor', type: 'float32', shape: [2, 3] }],
    ['', {}, { kind: 'tensor', type: 'float32', shape: [] }],
  ] as const)('is refused with a wrong "%s"', async (field, config, input) => {
    const compiled = compileStage(topK, { config: { ...config }, input: { ...input } });
    await expect(compiled).rejects.toBeInstanceOf(FieldError);
    await expect(compiled).rejects.toMatchObject({ field });
  });
});

describe('pick', () => {
  test.each([
    [{ name: 'logits' }, [1, 3], [1, 2, 3]],
    [{ name: 'logits', index: [0] }, [3], [1, 2, 3]],
    [{ name: 'logits', index: [0, 2] }, [], [3]],
    [{ name: 'mask', index: [0, 1] }, [2], [3, 4]],
  ])('%j', async (config, shape, data) => {
    const use = { config, input: two };
    const [outcome] = await runStage(pick, use, [outputs]);
    expect(outcome).toEqual({ kind: 'emit', value: float32(shape, Float32Array.from(data)) });
    expect((await compileStage(pick, use)).output).toMatchObject({ shape });
  });
  test('keeps the labels of the output they fit', async () => {
    const labelled = await compileStage(pick, { config: { name: 'logits' }, input: two });
    const bare = await compileStage(pick, { config: { name: 'mask' }, input: two });
    expect(labelled.output).toMatchObject({ labels: ['a', 'b', 'c'] });
    expect(bare.output).not.toHaveProperty('labels');
  });
  test.each([
    ['name', { name: 'constructor' }],
    ['index', { name: 'mask', index: [1] }],
    ['index', { name: 'mask', index: [0, 0, 0, 0] }],
  ])('is refused with a wrong %s: %j', async (field, config) => {
    await expect(compileStage(pick, { config, input: two })).rejects.toMatchObject({ field });
  });
});

test('a result is no tensor', async () => {
  const input: ValueType = { kind: 'result', of: 'values' };
  const compiled = runStage(softmax, { config: {}, input }, [result({ a: 1 })]);
  await expect(compiled).rejects.toBeInstanceOf(FieldError);
});
