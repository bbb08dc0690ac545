import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeWav } from '../../src/signal/wav.ts';
import { z } from '../../src/std/schema.ts';
import { sharedData } from '../harness/shared-data.ts';
import { hasTool } from '../harness/tools.ts';
import { commandClips, RATE_HZ, readCommandSounds } from './command-clips.ts';
import { type OpenedFlow, openFlow } from './opened-flow.ts';

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
    for (const level of [0, 0.001]) {
      const length = Math.round(seconds * RATE_HZ);
      const clip = Float32Array.from({ length }, (_, index) => Math.sin(index ** 2) * level);
      const results = await flow.process(encodeWav(clip, RATE_HZ));
      const label = expect.stringMatching(/^_(silence|unknown)_$/);
      expect(results).toMatchObject([{ label, top: [{}, {}, {}] }]);
    }
  }
});

test('raw samples are a clip as a WAV is', async () => {
  const wav = encodeWav(
    Float32Array.from({ length: RATE_HZ }, (_, index) => Math.sin(index ** 2) * 0.01),
    RATE_HZ,
  );
  expect(await flow.process(wav.subarray(44))).toEqual(await flow.process(wav));
});

const voice = sharedData('voice');
const resultSchema = z.object({ label: z.string(), score: z.number() });

describe.skipIf(!voice || !hasTool('ffmpeg'))('dev speakers (needs ../shared/data)', () => {
  const sounds = voice && hasTool('ffmpeg') ? readCommandSounds(voice) : undefined;

  test.each([
    { title: 'clean', noiseDb: undefined, rightMin: 0.9 },
    { title: 'in noise at 20 dB', noiseDb: 20, rightMin: 0.88 },
    { title: 'in noise at 10 dB', noiseDb: 10, rightMin: 0.8 },
    { title: 'in noise at 5 dB', noiseDb: 5, rightMin: 0.7 },
  ])('words are told in clips $title', { timeout: MODEL_MS_MAX }, async ({ title, ...given }) => {
    const count = { words: 0, right: 0, told: 0, others: 0, taken: 0, allRight: 0 };
    let ms = 0;
    for (const { label, samples } of commandClips(sounds!, given.noiseDb)) {
      const wav = encodeWav(samples, RATE_HZ);
      const started = performance.now();
      const [best] = z.tuple([resultSchema]).parse(await flow.process(wav));
      ms += performance.now() - started;
      const right = best.label === label;
      const sure = best.score >= 0.5 && !best.label.startsWith('_');
      if (right) count.allRight += 1;
      if (label.startsWith('_')) {
        count.others += 1;
        if (sure) count.taken += 1;
      } else {
        count.words += 1;
        if (right) count.right += 1;
        if (right && sure) count.told += 1;
      }
    }
    const mean = (ms / (count.words + count.others)).toFixed(1);
    console.info(`voice-command, ${title}: ${JSON.stringify(count)}, ${mean} ms a clip`);
    expect(count.right / count.words).toBeGreaterThan(given.rightMin);
    expect(count.taken / count.others).toBeLessThan(0.2);
  });
});
