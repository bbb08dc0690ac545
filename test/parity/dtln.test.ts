import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from '../../src/std/schema.ts';
import { decodeAudio } from '../harness/audio.ts';
import { sharedData } from '../harness/shared-data.ts';
import { hasTool } from '../harness/tools.ts';
import { openVoiceFlow, piecesOf, RATE_HZ } from './voice-flow.ts';

const models = sharedData('models/dtln');
const voice = sharedData('voice');
/** The blocks begin with so many samples of silence: the sound comes so much later. */
const DELAY_SAMPLES = 384;
const GAIN_MIN_DB = 5;
const NOISY_DB = 5;

const soundSchema = z.object({
  sound: z.object({ data: z.string() }),
  sampleRateHz: z.literal(RATE_HZ),
});

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let index = 0; index < a.length; index++) sum += a[index]! * b[index]!;
  return sum;
}

/**
 * Scale-invariant signal-to-distortion ratio of an estimate, dB.
 * Source: Le Roux et al., "SDR - half-baked or well done?" (2019), equation 1.
 */
function siSdrDb(clean: Float32Array, estimate: Float32Array): number {
  const gain = dot(estimate, clean) / dot(clean, clean);
  const rest = estimate.map((sample, index) => sample - gain * clean[index]!);
  return 10 * Math.log10((gain ** 2 * dot(clean, clean)) / dot(rest, rest));
}

/** Speech and noise, the speech so many dB stronger; quiet enough that nothing is cut. */
function mix(speech: Float32Array, noise: Float32Array, snrDb: number) {
  const part = noise.subarray(0, speech.length);
  const gain = Math.sqrt(dot(speech, speech) / dot(part, part) / 10 ** (snrDb / 10));
  return speech.map((sample, index) => 0.5 * (sample + gain * part[index]!));
}

describe.skipIf(!models || !voice || !hasTool('ffmpeg'))(
  'DTLN (needs ../shared/data and ffmpeg)',
  () => {
    test('takes a kitchen out of speech: at least 5 dB', async () => {
      await using flow = await openVoiceFlow('denoise', {
        'model_1.onnx': join(models!, 'model_1.onnx'),
        'model_2.onnx': join(models!, 'model_2.onnx'),
      });
      const speech = decodeAudio(join(voice!, 'speech/jfk.flac'), RATE_HZ);
      const noisy = mix(speech, decodeAudio(join(voice!, 'noise/kitchen.flac'), RATE_HZ), NOISY_DB);
      const blocks: number[] = [];
      for (const piece of piecesOf(noisy)) {
        for (const result of await flow.process('microphone', piece)) {
          const bytes = Buffer.from(soundSchema.parse(result).sound.data, 'base64');
          for (let at = 0; at < bytes.length; at += 2) blocks.push(bytes.readInt16LE(at) / 32_768);
        }
      }
      const denoised = Float32Array.from(blocks.slice(DELAY_SAMPLES));
      expect(speech.length - denoised.length).toBeLessThan(DELAY_SAMPLES + 128 + 1280);
      const clean = speech.subarray(0, denoised.length);
      const before = siSdrDb(clean, noisy.subarray(0, denoised.length));
      const after = siSdrDb(clean, denoised);
      console.info(`DTLN: SI-SDR ${before.toFixed(2)} dB before, ${after.toFixed(2)} dB after`);
      expect(before).toBeCloseTo(NOISY_DB, 0);
      expect(after - before).toBeGreaterThanOrEqual(GAIN_MIN_DB);
    });
  },
);
