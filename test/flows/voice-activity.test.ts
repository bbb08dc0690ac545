import { describe, expect, test } from 'vitest';
import { encodeWav } from '../../src/signal/wav.ts';
import { z } from '../../src/std/schema.ts';
import { decodeAudio } from '../harness/audio.ts';
import { sharedData } from '../harness/shared-data.ts';
import { hasTool } from '../harness/tools.ts';
import { openFlow } from './opened-flow.ts';

const RATE_HZ = 16_000;
const PIECE_SAMPLES = 1600; // 100 ms
const STEP_SECONDS = 0.04;

const change = z.strictObject({ active: z.boolean(), score: z.number() });

/** A span of speech as the flow told it, in seconds of the stream that it had heard by then. */
interface Span {
  readonly start: number;
  readonly end: number;
}

/** What the flow hears in a stream of raw pieces. */
async function spansOf(samples: Float32Array): Promise<Span[]> {
  await using flow = await openFlow('voice-activity');
  const spans: Span[] = [];
  let start: number | undefined;
  for (let from = 0; from < samples.length; from += PIECE_SAMPLES) {
    const piece = samples.subarray(from, from + PIECE_SAMPLES);
    for (const result of await flow.process(encodeWav(piece, RATE_HZ).subarray(44))) {
      const { active } = change.parse(result);
      const heard = (from + piece.length) / RATE_HZ;
      if (active) start = heard;
      else if (start !== undefined) spans.push({ start, end: heard });
      if (!active) start = undefined;
    }
  }
  return start === undefined ? spans : [...spans, { start, end: samples.length / RATE_HZ }];
}

const lengthOf = (spans: readonly Span[]): number =>
  spans.reduce((sum, { start, end }) => sum + end - start, 0);

test('the activity flow passes its own tests', async () => {
  await using flow = await openFlow('voice-activity');
  const reports = await flow.cases();
  expect(reports.length).toBeGreaterThan(0);
  expect(reports.filter(({ passed }) => !passed)).toEqual([]);
});

const voice = sharedData('voice');

describe.skipIf(!voice || !hasTool('ffmpeg'))('recordings (needs ../shared/data)', () => {
  test.each([
    // Silero VAD's share of the same recordings: .676, .774, .000.
    { file: 'speech/jfk.flac', low: 0.6, high: 0.8 },
    { file: 'speech/silero-test.flac', low: 0.7, high: 0.85 },
    { file: 'noise/kitchen.flac', low: 0, high: 0.03 },
  ])('somebody speaks in $file for $low to $high of its time', async ({ file, low, high }) => {
    const samples = decodeAudio(`${voice}/${file}`, RATE_HZ);
    const spans = await spansOf(samples);
    const share = (lengthOf(spans) * RATE_HZ) / samples.length;
    console.info(`voice-activity: ${share.toFixed(3)} of ${file} in ${spans.length} spans`);
    expect(share).toBeGreaterThanOrEqual(low);
    expect(share).toBeLessThanOrEqual(high);
  });

  test('the same speech 40 dB quieter is heard in the same share of its time', async () => {
    const samples = decodeAudio(`${voice}/speech/silero-test.flac`, RATE_HZ);
    const part = samples.subarray(0, 15 * RATE_HZ);
    const loud = lengthOf(await spansOf(part));
    const quiet = lengthOf(await spansOf(part.map((sample) => sample * 0.01)));
    expect(Math.abs(loud - quiet)).toBeLessThan(25 * STEP_SECONDS);
  });
});
