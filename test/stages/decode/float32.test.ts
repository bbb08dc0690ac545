import { expect, test } from 'vitest';
import { FieldError } from '../../../src/flow/stage.ts';
import { float32 } from '../../../src/stages/decode/float32.ts';
import { describeStage } from '../../conformance/stage.ts';
import { compileStage } from '../../harness/run-stage.ts';
import { BYTES, bytesOf, decoded, describeRefusals } from './bytes.ts';

const floats = (...values: number[]) => bytesOf(new Uint8Array(Float32Array.from(values).buffer));
const six = floats(0, 1, -2, 3.5, 1e30, -0.25);

describeStage({
  stage: float32,
  cases: [
    { title: 'a fixed shape', config: { shape: [2, 3] }, input: BYTES, values: [six] },
    { title: 'a free one', config: { shape: [-1, 2] }, input: BYTES, values: [six, floats(1, 2)] },
  ],
  wrongInputs: [{ kind: 'text' }],
});

test('float32 reads the payload where it lies when it is aligned', async () => {
  const [value] = await decoded(float32, { shape: [6] }, six);
  expect(value?.kind === 'tensor' && value.data.buffer).toBe(six.bytes.buffer);
});

test('float32 copies a payload that is not aligned, once, with the same elements', async () => {
  const whole = Uint8Array.from([9, ...six.bytes]);
  const [value] = await decoded(
    float32,
    { shape: [6] },
    { kind: 'bytes', bytes: whole.subarray(1) },
  );
  expect(value).toEqual((await decoded(float32, { shape: [6] }, six))[0]);
});

test('float32 lets NaN through where it is told to', async () => {
  const [value] = await decoded(float32, { shape: [1], finite: false }, floats(Number.NaN));
  expect(value?.kind === 'tensor' && value.data[0]).toBeNaN();
});

test.each([[[-1, -1]], [[0, 3]]])('float32 refuses the shape %j', async (shape) => {
  const compiled = compileStage(float32, { config: { shape }, input: BYTES });
  await expect(compiled).rejects.toBeInstanceOf(FieldError);
});

describeRefusals(float32, [
  ['another count', { shape: [7] }, six, 'shape-mismatch', /6 elements do not fill \[7\]/],
  ['a count that no free size fits', { shape: [-1, 4] }, six, 'shape-mismatch', /\[\?, 4\]/],
  ['an empty payload', { shape: [-1, 4] }, floats(), 'shape-mismatch', /0 elements/],
  ['part of an element', { shape: [1] }, bytesOf([1, 2, 3]), 'payload-invalid', /no multiple of 4/],
  ['NaN', { shape: [2] }, floats(1, Number.NaN), 'value-invalid', /element 1 is NaN/],
  ['infinity', { shape: [1] }, floats(-Infinity), 'value-invalid', /element 0 is -Infinity/],
]);
