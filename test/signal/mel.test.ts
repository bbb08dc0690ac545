import { expect, test } from 'vitest';
import { createMelBank, hertzToMel, type MelBank, melToHertz } from '../../src/signal/mel.ts';
import { expectClose, type Reference, signalFixture } from './fixtures.ts';

const banks = signalFixture<{ tensorflow: Reference; librosa: Reference }>('mel-banks');
const sizes = { sampleRateHz: 16_000, fftSize: 128, bands: 10 } as const;

function dense({ bins, starts, weights }: MelBank): number[] {
  return weights.flatMap((row, band) => {
    const whole = new Array<number>(bins).fill(0);
    for (const [index, weight] of row.entries()) whole[starts[band]! + index] = weight;
    return whole;
  });
}

test('the mel bank equals linear_to_mel_weight_matrix of TensorFlow', () => {
  const options = { scale: 'htk', slope: 'mel', norm: 'none', lowHz: 20, highHz: 4000 } as const;
  expectClose(dense(createMelBank({ ...sizes, ...options })), banks.tensorflow.data, 1e-8);
});

test('the mel bank equals filters.mel of librosa', () => {
  const options = {
    scale: 'slaney',
    slope: 'hertz',
    norm: 'slaney',
    lowHz: 0,
    highHz: 8000,
  } as const;
  expectClose(dense(createMelBank({ ...sizes, ...options })), banks.librosa.data, 1e-8);
});

test.each([
  ['htk', 1000, 999.9907],
  ['slaney', 1000, 15],
  ['slaney', 6400, 42],
  ['slaney', 200, 3],
] as const)('on the scale %s %d Hz are %d mel', (scale, hertz, mel) => {
  expect(hertzToMel(hertz, scale)).toBeCloseTo(mel, 3);
  expect(melToHertz(hertzToMel(hertz, scale), scale)).toBeCloseTo(hertz, 8);
});

test.each([
  [-1, 4000],
  [4000, 4000],
  [20, 8001],
  [Number.NaN, 4000],
])('mel bands from %d to %d Hz are refused at 16 kHz', (lowHz, highHz) => {
  const options = { scale: 'htk', slope: 'mel', norm: 'none', lowHz, highHz } as const;
  expect(() => createMelBank({ ...sizes, ...options })).toThrow(RangeError);
});
