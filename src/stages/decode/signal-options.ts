import { LedgeError } from '../../std/error.ts';
import { z } from '../../std/schema.ts';

/** 16 MiB: a minute of 48 kHz stereo in 16 bits is 11.5 MB. */
export const SIGNAL_BYTES = 16 * 1024 * 1024;
/** Lower rates are no sound, higher ones no sound card's. */
const SAMPLE_RATE_MAX = 768_000;

/** A `sampleRateHz` of a configuration, not yet described. */
export function sampleRate() {
  return z.int().min(1).max(SAMPLE_RATE_MAX);
}

export const secondsMax = z
  .number()
  .positive()
  .max(3600)
  .default(60)
  .describe('Longest sound of one event, seconds; a longer one fails with payload-too-large.');

export const truncated = z
  .enum(['refuse', 'accept'])
  .default('refuse')
  .describe(
    'What to do with a WAV that has fewer bytes than its header promises: fail with ' +
      'payload-invalid, or take what is there. A header of unknown size is no promise.',
  );

export const channels = z
  .int()
  .min(1)
  .max(32)
  .default(1)
  .describe('Interleaved channels; the mean of them is taken.');

/** Throws LedgeError payload-too-large for a sound over its limit. */
export function checkSeconds(frames: number, sampleRateHz: number, limit: number): void {
  if (frames <= limit * sampleRateHz) return;
  throw new LedgeError(
    'payload-too-large',
    `Cannot decode the sound: it lasts ${(frames / sampleRateHz).toFixed(1)} s, ` +
      `the limit of secondsMax is ${limit}`,
    { context: { secondsMax: limit } },
  );
}
