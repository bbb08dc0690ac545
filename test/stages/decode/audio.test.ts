import { expect, test } from 'vitest';
import type { Value } from '../../../src/flow/value.ts';
import { encodeWav } from '../../../src/signal/wav.ts';
import { audio } from '../../../src/stages/decode/audio.ts';
import { describeStage } from '../../conformance/stage.ts';
import { compileStage, runStage, valuesOf } from '../../harness/run-stage.ts';
import { BYTES, bytesOf, decoded, describeRefusals } from './bytes.ts';

const TONE_HZ = 440;
const tone = (seconds: number, rate: number) =>
  Float32Array.from(
    { length: seconds * rate },
    (_, index) => 0.5 * Math.sin((2 * Math.PI * TONE_HZ * index) / rate),
  );
const wavOf = (seconds: number, rate: number) => bytesOf(encodeWav(tone(seconds, rate), rate));
const rawOf = (samples: Float32Array) => bytesOf(encodeWav(samples, 1).subarray(44));
const samplesOf = (value: Value | undefined) =>
  value?.kind === 'tensor' ? Array.from(value.data, Number) : [];

describeStage({
  stage: audio,
  cases: [
    {
      title: 'clips',
      config: {},
      input: BYTES,
      values: [wavOf(0.1, 16_000), rawOf(tone(0.1, 16_000)), wavOf(0.1, 8000), wavOf(0.1, 44_100)],
    },
    {
      title: 'a stream at another rate',
      config: { flush: 'stream', rawSampleRateHz: 8000 },
      input: BYTES,
      values: [0, 1, 2].map((part) =>
        rawOf(tone(0.3, 8000).subarray(part * 800, part * 800 + 800)),
      ),
    },
  ],
  wrongInputs: [{ kind: 'text' }],
});

test.each([
  ['WAV at the rate', {}, wavOf(1, 16_000)],
  ['WAV at half the rate', {}, wavOf(1, 8000)],
  ['WAV of a CD', {}, wavOf(1, 44_100)],
  ['WAV of a studio', {}, wavOf(1, 48_000)],
  ['raw samples', {}, rawOf(tone(1, 16_000))],
  ['raw samples at another rate', { rawSampleRateHz: 22_050 }, rawOf(tone(1, 22_050))],
])('audio gives the same tone from %s', async (_, config, value) => {
  const samples = samplesOf((await decoded(audio, config, value))[0]);
  expect(samples).toHaveLength(16_000);
  const expected = tone(1, 16_000);
  for (let index = 1000; index < 15_000; index++) {
    expect(Math.abs(samples[index]! - expected[index]!)).toBeLessThan(3e-4);
  }
});

test('audio resamples the events of a stream as one signal', async () => {
  const whole = tone(0.5, 8000);
  const parts = Array.from({ length: 20 }, (_, part) =>
    whole.subarray(part * 200, part * 200 + 200),
  );
  const use = { config: { flush: 'stream', rawSampleRateHz: 8000 }, input: BYTES };
  const outcomes = await runStage(audio, use, parts.map(rawOf));
  const streamed = outcomes.flatMap((outcome) => valuesOf(outcome).flatMap(samplesOf));
  const [clip] = await decoded(audio, { rawSampleRateHz: 8000 }, rawOf(whole));
  expect(streamed.length).toBeGreaterThan(7700);
  expect(streamed).toEqual(samplesOf(clip).slice(0, streamed.length));
});

test('audio has one scope per device only where it keeps a signal', async () => {
  const scope = async (flush: string) =>
    (await compileStage(audio, { config: { flush }, input: BYTES })).scope;
  expect([await scope('event'), await scope('stream')]).toEqual(['shared', 'device']);
});

describeRefusals(audio, [
  ['an odd number of raw bytes', {}, bytesOf([1, 2, 3]), 'payload-invalid', /no multiple/],
  [
    'a WAV of an absurd rate',
    {},
    bytesOf(encodeWav(tone(1, 100), 44_099)),
    'payload-invalid',
    /44099/,
  ],
  ['a broken WAV', {}, bytesOf('RIFF....WAVEdata'), 'payload-invalid', /WAV/],
  ['a clip over its limit', { secondsMax: 1 }, wavOf(2, 8000), 'payload-too-large', /2\.0 s/],
]);
