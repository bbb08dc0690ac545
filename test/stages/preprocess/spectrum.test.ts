import { describe, expect, test } from 'vitest';
import { FieldError, type Stage } from '../../../src/flow/stage.ts';
import type { Value, ValueType } from '../../../src/flow/value.ts';
import { fft } from '../../../src/stages/preprocess/fft.ts';
import { highPass } from '../../../src/stages/preprocess/high-pass.ts';
import { inverseFft } from '../../../src/stages/preprocess/inverse-fft.ts';
import { magnitude } from '../../../src/stages/preprocess/magnitude.ts';
import { overlapAdd } from '../../../src/stages/preprocess/overlap-add.ts';
import { resample } from '../../../src/stages/preprocess/resample.ts';
import { window } from '../../../src/stages/preprocess/window.ts';
import type { Tensor } from '../../../src/tensor/tensor.ts';
import { describeStage } from '../../conformance/stage.ts';
import { compileStage, runStage, valuesOf } from '../../harness/run-stage.ts';
import { expectClose, type Reference, signalFixture } from '../../signal/fixtures.ts';
import { tensor, typeOf } from './values.ts';

const clip = signalFixture<Reference>('clip').data;
const spectra = signalFixture<Record<string, { re: number[]; im: number[] }>>('rfft');
const part = (from: number, count: number) => tensor([count], clip.slice(from, from + count));
const blocks = [part(0, 16), part(16, 16)];
const signal = typeOf([-1], { sampleRateHz: 16_000 });

describeStage({
  stage: fft,
  cases: [{ title: 'blocks', config: { window: 'hann' }, input: typeOf([16]), values: blocks }],
  wrongInputs: [typeOf([12]), typeOf([-1]), typeOf([]), { kind: 'bytes' }],
});
describeStage({
  stage: inverseFft,
  cases: [{ title: 'spectra', config: {}, input: typeOf([9, 2]), values: [tensor([9, 2])] }],
  wrongInputs: [typeOf([16]), typeOf([8, 2]), typeOf([9, 3]), { kind: 'text' }],
});
describeStage({
  stage: magnitude,
  cases: [
    { title: 'spectra', config: { power: 2 }, input: typeOf([9, 2]), values: [tensor([9, 2])] },
  ],
  wrongInputs: [typeOf([16]), typeOf([]), { kind: 'fields' }],
});
describeStage({
  stage: overlapAdd,
  cases: [{ title: 'blocks', config: { hop: 4 }, input: typeOf([16]), values: blocks }],
  wrongInputs: [typeOf([-1]), typeOf([2]), typeOf([16, 1]), { kind: 'bytes' }],
});
describeStage({
  stage: resample,
  cases: [
    { title: 'clips', config: { sampleRateHz: 8000 }, input: signal, values: blocks },
    {
      title: 'a stream',
      config: { sampleRateHz: 8000, flush: 'stream' },
      input: signal,
      values: blocks,
    },
  ],
  wrongInputs: [typeOf([-1]), typeOf([2, 2], { sampleRateHz: 8 }), { kind: 'bytes' }],
});
describeStage({
  stage: highPass,
  cases: [
    { title: 'clips', config: { cutoffHz: 80 }, input: signal, values: blocks },
    { title: 'a stream', config: { cutoffHz: 80, flush: 'stream' }, input: signal, values: blocks },
  ],
  wrongInputs: [typeOf([-1]), { kind: 'text' }],
});

async function only(stage: Stage, config: Record<string, unknown>, input: ValueType, value: Value) {
  const [outcome] = await runStage(stage, { config, input }, [value]);
  const [output] = valuesOf(outcome!);
  if (output?.kind !== 'tensor') throw new Error(`${stage.kind} gave no tensor`);
  return output as Tensor & { data: Float32Array };
}

describe('a spectrum', () => {
  test('holds real and imaginary parts side by side', async () => {
    const { shape, data } = await only(fft, {}, typeOf([512]), part(0, 512));
    expect(shape).toEqual([257, 2]);
    const { re, im } = spectra['512']!;
    expectClose(
      data,
      re.flatMap((x, bin) => [x, im[bin]!]),
      1e-5,
    );
  });

  test('gives its block back', async () => {
    const block = tensor([2, 512], clip.slice(0, 1024));
    const spectrum = await only(fft, {}, typeOf([2, 512]), block);
    const back = await only(inverseFft, {}, typeOf([2, 257, 2]), spectrum);
    expect(back.shape).toEqual([2, 512]);
    expectClose(back.data, block.data as Float32Array, 1e-6);
  });

  test.each([
    [1, [5, 2]],
    [2, [25, 4]],
  ])('has magnitudes to the power of %i', async (power, expected) => {
    const { data } = await only(
      magnitude,
      { power },
      typeOf([2, 2]),
      tensor([2, 2], [3, -4, 0, 2]),
    );
    expect(Array.from(data)).toEqual(expected);
  });
});

test('windows that are added up again are the signal, as often as they overlap', async () => {
  const config = { size: 512, hop: 128, pad: 384, flush: 'stream' };
  const [cut] = await runStage(window, { config, input: signal }, [part(0, 4000)]);
  const windows = valuesOf(cut!);
  const outcomes = await runStage(
    overlapAdd,
    { config: { hop: 128 }, input: typeOf([512]) },
    windows,
  );
  const sum = outcomes.flatMap((outcome) =>
    valuesOf(outcome).flatMap((value) =>
      value.kind === 'tensor' ? Array.from(value.data, Number) : [],
    ),
  );
  const delayed = sum.slice(384); // a sample is whole once four windows have passed it
  expectClose(
    delayed,
    clip.slice(0, delayed.length).map((x) => 4 * x),
    1e-5,
  );
});

test('resample halves the samples and tells the new rate', async () => {
  const { output } = await compileStage(resample, {
    config: { sampleRateHz: 8000 },
    input: typeOf([16_001], { sampleRateHz: 16_000 }),
  });
  expect(output).toEqual(typeOf([8001], { sampleRateHz: 8000 }));
});

test.each<[string, Stage, Record<string, unknown>, ValueType]>([
  ['sampleRateHz', resample, { sampleRateHz: 15_999 }, signal],
  ['cutoffHz', highPass, { cutoffHz: 8000 }, signal],
  ['hop', overlapAdd, { hop: 17 }, typeOf([16])],
])('%s is named where it does not fit', async (field, stage, config, input) => {
  const compiled = compileStage(stage, { config, input });
  await expect(compiled).rejects.toBeInstanceOf(FieldError);
  await expect(compiled).rejects.toMatchObject({ field });
});
