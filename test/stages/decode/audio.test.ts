import { expect, test } from 'vitest';
import type { Value } from '../../../src/flow/value.ts';
import { encodeWav } from '../../../src/signal/wav.ts';
import { audio } from '../../../src/stages/decode/audio.ts';
import { pcm16 } from '../../../src/stages/decode/pcm16.ts';
import { wav } from '../../../src/stages/decode/wav.ts';
import { describeStage } from '../../conformance/stage.ts';
import { compileStage, eventOf, runStage, runStep, valuesOf } from '../../harness/run-stage.ts';
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
  [
    'raw samples at another rate',
    { rawSampleRateHz: 22_050, flush: 'event' },
    rawOf(tone(1, 22_050)),
  ],
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
  const [clip] = await decoded(audio, { rawSampleRateHz: 8000, flush: 'event' }, rawOf(whole));
  expect(streamed.length).toBeGreaterThan(7700);
  expect(streamed).toEqual(samplesOf(clip).slice(0, streamed.length));
});

test.each([
  [{ flush: 'event' }, 'shared'],
  [{ flush: 'stream' }, 'device'],
  [{}, 'device'],
  [{ rawSampleRateHz: 8000 }, 'device'],
])('audio %j is one for all devices only where each event is a clip: %s', async (config, scope) => {
  expect((await compileStage(audio, { config, input: BYTES })).scope).toBe(scope);
});

test.each([
  [audio, {}, wavOf(0.1, 8000), 'whole'],
  [audio, {}, rawOf(tone(0.1, 8000)), 'stream'],
  [audio, { flush: 'event' }, rawOf(tone(0.1, 8000)), 'whole'],
  [audio, { flush: 'stream' }, wavOf(0.1, 8000), 'stream'],
  [wav, {}, wavOf(0.1, 8000), 'whole'],
  [pcm16, {}, rawOf(tone(0.1, 8000)), 'stream'],
])('$0.kind $1 says which part of a sound the event is: $3', async (stage, config, value, part) => {
  const use = { config, input: BYTES };
  const event = eventOf();
  await runStep((await compileStage(stage, use)).open(), value, { use, event });
  expect(event.part).toBe(part);
});

test('audio resamples a clip on its own in the midst of a stream', async () => {
  const raw = [0, 1].map((part) =>
    rawOf(tone(0.4, 8000).subarray(part * 1600, part * 1600 + 1600)),
  );
  const config = { rawSampleRateHz: 8000 };
  const clip = wavOf(0.1, 8000);
  const mixed = await runStage(audio, { config, input: BYTES }, [raw[0]!, clip, raw[1]!]);
  const use = { config: { ...config, flush: 'stream' }, input: BYTES };
  const stream = await runStage(audio, use, raw);
  const [alone] = await runStage(audio, { config: {}, input: BYTES }, [clip]);
  expect(mixed).toEqual([stream[0], alone, stream[1]]);
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

test('audio puts numbered chunks in order, bridges a short gap, and counts', async () => {
  const compiled = await compileStage(audio, { config: {}, input: BYTES });
  const step = compiled.open();
  const level = (number: number) => rawOf(new Float32Array(1600).fill(number / 16));
  const heard: number[] = [];
  for (const sequence of [7, 9, 8, 11, 12, 13, 13, 10, 40, 41]) {
    const event = eventOf({ sequence });
    const outcome = await runStep(step, level(sequence - 6), {
      use: { config: {}, input: BYTES },
      event,
    });
    const samples = valuesOf(outcome).flatMap(samplesOf);
    for (let at = 0; at < samples.length; at += 1600) heard.push(samples[at]! * 16 + 6);
    expect(event.part).toBe('stream');
  }
  expect(heard.slice(0, 7)).toEqual([7, 8, 9, 6, 11, 12, 13]);
  expect(compiled.figures).toMatchObject({
    ...{ lost: 27, bridged: 1, cuts: 1, late: 1, duplicated: 1, reordered: 1, restarts: 0 },
  });
});
