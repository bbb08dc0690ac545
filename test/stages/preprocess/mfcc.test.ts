import { describe, expect, test } from 'vitest';
import { FieldError } from '../../../src/flow/stage.ts';
import type { TensorType } from '../../../src/flow/value.ts';
import { melSpectrogram } from '../../../src/stages/preprocess/mel-spectrogram.ts';
import { mfcc } from '../../../src/stages/preprocess/mfcc.ts';
import { float32 } from '../../../src/tensor/tensor.ts';
import { describeStage } from '../../conformance/stage.ts';
import { compileStage, runStage, valuesOf } from '../../harness/run-stage.ts';
import { expectClose, type Reference, signalFixture } from '../../signal/fixtures.ts';

const clip = Float32Array.from(signalFixture<Reference>('clip').data);
const value = float32([clip.length], clip);
const frontEnds = signalFixture<Record<string, Reference>>('front-ends');
const signal = (samples: number): TensorType => ({
  kind: 'tensor',
  type: 'float32',
  shape: [samples],
  sampleRateHz: 16_000,
});

const keyword = {
  normalise: 'peak',
  frameSamples: 480,
  hopSamples: 320,
  highHz: 4000,
  coefficients: 10,
};

const wrongInputs = [
  { kind: 'bytes' as const },
  { kind: 'tensor' as const, type: 'float32' as const, shape: [-1] },
  { ...signal(-1), shape: [-1, 2] },
  { ...signal(-1), type: 'int16' as const },
];
const clips = [value, float32([3999], clip.slice(1)), float32([480], new Float32Array(480))];

describeStage({
  stage: mfcc,
  cases: [{ title: 'clips', config: keyword, input: signal(-1), values: clips }],
  wrongInputs,
});
describeStage({
  stage: melSpectrogram,
  cases: [
    { title: 'clips', config: {}, input: signal(-1), values: clips },
    {
      title: 'clips of one length',
      config: { convention: 'librosa' },
      input: signal(4000),
      values: [value],
    },
  ],
  wrongInputs,
});

describe('the front ends of other libraries', () => {
  test.each([
    ['tensorflowMfcc', mfcc, keyword, 2e-4],
    ['librosaMel', melSpectrogram, { convention: 'librosa', lowHz: 0 }, 2e-4],
    ['librosaMfcc', mfcc, { convention: 'librosa', lowHz: 0 }, 5e-4],
    ['kaldiFbank', melSpectrogram, { convention: 'kaldi', melBands: 23 }, 2e-4],
    ['kaldiMfcc', mfcc, { convention: 'kaldi', melBands: 23 }, 1e-3],
  ] as const)(
    '%s, as numpy computes it from the definition',
    async (name, stage, config, tolerance) => {
      const expected = frontEnds[name]!;
      const use = { config, input: signal(4000) };
      const [outcome] = await runStage(stage, use, [value]);
      const [output] = valuesOf(outcome!);
      expect(output).toMatchObject({ kind: 'tensor', type: 'float32', shape: expected.shape });
      expect((await compileStage(stage, use)).output).toMatchObject({ shape: expected.shape });
      if (output?.kind === 'tensor')
        expectClose(output.data as Float32Array, expected.data, tolerance);
    },
  );
});

test('mfcc gives the shape and frame rate of MLPerf Tiny for a second at 16 kHz', async () => {
  const { output } = await compileStage(mfcc, { config: keyword, input: signal(16_000) });
  expect(output).toEqual({ kind: 'tensor', type: 'float32', shape: [49, 10], sampleRateHz: 50 });
});

test('mfcc gives finite coefficients for silence, also where it divides by the peak', async () => {
  const silence = float32([16_000], new Float32Array(16_000));
  const [outcome] = await runStage(mfcc, { config: keyword, input: signal(-1) }, [silence]);
  const [output] = valuesOf(outcome!);
  const data = output?.kind === 'tensor' ? Array.from(output.data, Number) : [Number.NaN];
  expect(data.every(Number.isFinite)).toBe(true);
});

test('mfcc refuses a clip shorter than a frame when it comes', async () => {
  const short = float32([479], new Float32Array(479));
  const run = runStage(mfcc, { config: keyword, input: signal(-1) }, [short]);
  await expect(run).rejects.toMatchObject({ code: 'shape-mismatch', message: /479 samples/ });
});

test.each([
  ['fftSize', { fftSize: 500, frameSamples: 400 }, 4000],
  ['fftSize', { fftSize: 256, frameSamples: 400 }, 4000],
  ['highHz', { highHz: 8001 }, 4000],
  ['lowHz', { lowHz: 5000, highHz: 4000 }, 4000],
  ['coefficients', { coefficients: 41 }, 4000],
  ['frameSamples', {}, 300],
])('mfcc names %s where it does not fit', async (field, config, samples) => {
  const compiled = compileStage(mfcc, { config, input: signal(samples) });
  await expect(compiled).rejects.toBeInstanceOf(FieldError);
  await expect(compiled).rejects.toMatchObject({ field });
});
