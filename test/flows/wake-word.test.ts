import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { isHeldBack } from '../../scripts/evaluate/voice/sounds.ts';
import { encodeWav } from '../../src/signal/wav.ts';
import { packagePath } from '../../src/std/package.ts';
import { decodeAudio } from '../harness/audio.ts';
import { sharedData } from '../harness/shared-data.ts';
import { hasTool } from '../harness/tools.ts';
import { openFlow } from './opened-flow.ts';

const RATE_HZ = 16_000;
const HEADER_BYTES = 44;

test('the wake word flow passes its own tests', async () => {
  await using flow = await openFlow('wake-word');
  const reports = await flow.cases();
  expect(reports.length).toBeGreaterThan(0);
  expect(reports.filter(({ passed }) => !passed)).toEqual([]);
});

test.each([20, 100, 125])('a word said twice wakes twice in raw pieces of %i ms', async (ms) => {
  await using flow = await openFlow('wake-word');
  const wav = readFileSync(packagePath('flows', 'wake-word', 'samples', 'twice.wav'));
  const bytes = (ms * RATE_HZ * 2) / 1000;
  const labels: unknown[] = [];
  for (let from = HEADER_BYTES; from < wav.length; from += bytes) {
    const results = await flow.process(wav.subarray(from, from + bytes));
    labels.push(...results.map(({ label }) => label));
  }
  expect(labels).toEqual(['computer', 'computer']);
});

const voice = sharedData('voice');

describe.skipIf(!voice || !hasTool('ffmpeg'))('recordings (needs ../shared/data)', () => {
  /** How often held back recordings of a word wake, every n-th of them, all sent by one device. */
  async function wakesOf(word: string, every = 1): Promise<number[]> {
    await using flow = await openFlow('wake-word');
    const names = readdirSync(`${voice}/wake-words/${word}`).map((file) => file.slice(0, -5));
    const wakes: number[] = [];
    const held = names.filter(isHeldBack).sort();
    for (const name of held.filter((_, index) => index % every === 0)) {
      const samples = decodeAudio(`${voice}/wake-words/${word}/${name}.flac`, RATE_HZ);
      wakes.push((await flow.process(encodeWav(samples, RATE_HZ))).length);
    }
    return wakes;
  }

  test('clips of the word, one right after the other, each wake once', async () => {
    const wakes = await wakesOf('computer');
    const woke = wakes.filter((count) => count > 0).length;
    console.info(`wake-word: ${woke} of ${wakes.length} clips of one device`);
    expect(woke / wakes.length).toBeGreaterThan(0.9);
    expect(Math.max(...wakes)).toBe(1);
  });

  test.each(['alexa', 'jarvis'])('clips of "%s" do not wake', async (word) => {
    const wakes = await wakesOf(word, 4);
    expect(wakes.length).toBeGreaterThan(0);
    expect(wakes.filter((count) => count > 0)).toEqual([]);
  });
});
