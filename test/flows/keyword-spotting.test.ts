import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeWav } from '../../src/signal/wav.ts';
import { z } from '../../src/std/schema.ts';
import { decodeFlacFiles } from '../harness/audio.ts';
import { sharedData } from '../harness/shared-data.ts';
import { hasTool } from '../harness/tools.ts';
import { type OpenedFlow, openFlow } from './opened-flow.ts';

const RATE_HZ = 16_000;
/** Of 369 clips, a little under what the model card tells: room for another platform's rounding. */
const ACCURACY_MIN = 0.9;
const MODEL_MS_MAX = 120_000; // a cold worker on a loaded machine; no figure of the model's speed

let flow: OpenedFlow;

function labelOf(result: Readonly<Record<string, unknown>> | undefined): string {
  return z.object({ label: z.string() }).parse(result).label;
}

beforeAll(async () => {
  flow = await openFlow('keyword-spotting');
}, MODEL_MS_MAX);

afterAll(async () => {
  await flow?.[Symbol.asyncDispose]();
});

test('the keyword flow passes its own tests', async () => {
  const reports = await flow.cases();
  expect(reports.length).toBeGreaterThan(0);
  expect(reports.filter(({ passed }) => !passed)).toEqual([]);
});

test('digital silence is _silence_, quiet room noise too', async () => {
  const noise = Float32Array.from({ length: RATE_HZ }, (_, index) => Math.sin(index ** 2) * 0.002);
  for (const clip of [new Float32Array(RATE_HZ), noise]) {
    const results = await flow.process(encodeWav(clip, RATE_HZ));
    expect(results).toMatchObject([{ label: '_silence_' }]);
  }
});

const data = sharedData('voice/speech-commands/dev');

describe.skipIf(!data || !hasTool('ffmpeg'))('speakers not trained on (needs shared data)', () => {
  const clips = readdirSync(data ?? '.', { withFileTypes: true })
    .filter((entry) => data && entry.isDirectory())
    .flatMap(({ name: label }) =>
      readdirSync(join(data ?? '.', label)).map((file) => ({
        label,
        path: join(data ?? '.', label, file),
      })),
    );

  async function accuracyAt(gain: number): Promise<number> {
    const sounds = decodeFlacFiles(clips.map(({ path }) => path));
    let right = 0;
    for (const [index, sound] of sounds.entries()) {
      const results = await flow.process(
        encodeWav(
          sound.map((sample) => sample * gain),
          RATE_HZ,
        ),
      );
      if (labelOf(results[0]) === clips[index]?.label) right += 1;
    }
    return right / clips.length;
  }

  test.each([
    { title: 'as recorded', gain: 1 },
    { title: '34 dB quieter', gain: 0.02 },
    { title: '14 dB louder and clipped', gain: 5 },
  ])('nine of ten words are right $title', { timeout: MODEL_MS_MAX }, async ({ gain }) => {
    expect(await accuracyAt(gain)).toBeGreaterThan(ACCURACY_MIN);
  });
});
