import { expect, test } from 'vitest';
import type { Value, ValueType } from '../../../src/flow/value.ts';
import { encode } from '../../../src/stages/publish/encode.ts';
import { float32, tensorOf } from '../../../src/tensor/tensor.ts';
import { describeStage } from '../../conformance/stage.ts';
import { compileStage, runStage } from '../../harness/run-stage.ts';
import { readOutcomes, scores, scoresType } from '../postprocess/labelled.ts';

const signal: ValueType = { kind: 'tensor', type: 'float32', shape: [4], sampleRateHz: 16_000 };
const samples = float32([4], Float32Array.of(0, 0.5, -1, 2));

describeStage({
  stage: encode,
  cases: [
    { title: 'a labelled row', config: {}, input: scoresType('a', 'b'), values: [scores(0, 1)] },
    { title: 'a signal', config: { as: 'pcm16' }, input: signal, values: [samples] },
  ],
  wrongInputs: [
    { kind: 'image' },
    { kind: 'result', of: 'values' },
    { kind: 'tensor', type: 'float32', shape: [1000, 1000] },
  ],
});

async function encoded(config: object, input: ValueType, value: Value) {
  return readOutcomes(await runStage(encode, { config: { ...config }, input }, [value]))[0];
}

test.each<[string, object, ValueType, Value, object]>([
  ['a labelled row', {}, scoresType('a', 'b'), scores(0.25, 1), { value: { a: 0.25, b: 1 } }],
  [
    'a tensor',
    { field: 'embedding' },
    { kind: 'tensor', type: 'int8', shape: [2, 2] },
    tensorOf('int8', [2, 2], Int8Array.of(1, 2, -3, 4)),
    {
      embedding: [
        [1, 2],
        [-3, 4],
      ],
    },
  ],
  ['fields', {}, { kind: 'fields' }, { kind: 'fields', fields: { a: 1 } }, { value: { a: 1 } }],
  ['text', {}, { kind: 'text' }, { kind: 'text', text: 'hello' }, { value: 'hello' }],
])('encode %s as JSON', async (_title, config, input, value, expected) => {
  expect(await encoded(config, input, value)).toEqual(expected);
});

test('encode a signal as 16-bit samples, cut where it is too loud', async () => {
  const found = (await encoded({ as: 'pcm16' }, signal, samples)) as { value: { data: string } };
  expect(found).toMatchObject({ sampleRateHz: 16_000, value: { type: 'int16', shape: [4] } });
  const bytes = Buffer.from(found.value.data, 'base64');
  expect([0, 2, 4, 6].map((at) => bytes.readInt16LE(at))).toEqual([0, 16_384, -32_768, 32_767]);
});

test('encode a tensor as its raw elements', async () => {
  const found = (await encoded({ as: 'base64' }, signal, samples)) as { value: { data: string } };
  expect(found.value).toMatchObject({ type: 'float32', shape: [4] });
  const bytes = Buffer.from(found.value.data, 'base64');
  expect([0, 4, 8, 12].map((at) => bytes.readFloatLE(at))).toEqual([0, 0.5, -1, 2]);
});

test('encode fails an event with a number that JSON cannot hold', async () => {
  const bad = encoded({}, scoresType('a'), scores(Number.NaN));
  await expect(bad).rejects.toMatchObject({ code: 'value-invalid' });
});

test('encode refuses samples of what is no signal', async () => {
  const compiled = compileStage(encode, { config: { as: 'pcm16' }, input: { kind: 'text' } });
  await expect(compiled).rejects.toMatchObject({ field: 'as' });
});
