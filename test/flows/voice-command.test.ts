import { afterAll, beforeAll, expect, test } from 'vitest';
import { encodeWav } from '../../src/signal/wav.ts';
import { type OpenedFlow, openFlow } from './opened-flow.ts';

const RATE_HZ = 16_000;
const MODEL_MS_MAX = 120_000; // a cold worker on a loaded machine; no figure of the model's speed

let flow: OpenedFlow;

beforeAll(async () => {
  flow = await openFlow('voice-command');
}, MODEL_MS_MAX);

afterAll(async () => {
  await flow?.[Symbol.asyncDispose]();
});

test('the command flow passes its own tests', async () => {
  const reports = await flow.cases();
  expect(reports.length).toBeGreaterThan(0);
  expect(reports.filter(({ passed }) => !passed)).toEqual([]);
});

test('a clip of any length from 0.3 to 5 s gives one result with the best labels first', async () => {
  for (const seconds of [0.3, 0.7, 1, 2.35, 5]) {
    const clip = new Float32Array(Math.round(seconds * RATE_HZ));
    const results = await flow.process(encodeWav(clip, RATE_HZ));
    expect(results).toMatchObject([{ label: '_silence_', top: [{}, {}, {}] }]);
  }
});

test('raw samples are a clip as a WAV is', async () => {
  const wav = encodeWav(
    Float32Array.from({ length: RATE_HZ }, (_, index) => Math.sin(index ** 2) * 0.01),
    RATE_HZ,
  );
  expect(await flow.process(wav.subarray(44))).toEqual(await flow.process(wav));
});
