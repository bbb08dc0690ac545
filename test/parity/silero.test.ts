import { describe, expect, test } from 'vitest';
import { decodeAudio } from '../harness/audio.ts';
import { sharedData } from '../harness/shared-data.ts';
import { hasTool } from '../harness/tools.ts';
import { openVoiceFlow, piecesOf, RATE_HZ } from './voice-flow.ts';

const model = sharedData('models/silero-vad/silero_vad.onnx');
const voice = sharedData('voice');
const FRAME_SAMPLES = 512;

describe.skipIf(!model || !voice || !hasTool('ffmpeg'))(
  'Silero VAD (needs ../shared/data and ffmpeg)',
  () => {
    test.each([
      ['speech/jfk.flac', 0.676],
      ['speech/silero-test.flac', 0.774],
      ['noise/kitchen.flac', 0],
    ])('hears speech in %s in a share of %d of its frames', async (file, expected) => {
      await using flow = await openVoiceFlow('silero', { 'silero_vad.onnx': model! });
      const samples = decodeAudio(`${voice}/${file}`, RATE_HZ);
      let frames = 0;
      let active = 0;
      for (const piece of piecesOf(samples)) {
        for (const result of await flow.process('microphone', piece)) {
          frames += 1;
          if (result.active === true) active += 1;
        }
      }
      console.info(`Silero: ${active} of ${frames} frames of ${file}`);
      expect(frames).toBe(Math.floor(samples.length / FRAME_SAMPLES));
      // Published to three places, of float samples: 16 bits cut the peaks of jfk over full scale,
      // which tips one of its frames at the threshold.
      expect(Math.abs(active / frames - expected)).toBeLessThanOrEqual(0.0005 + 1 / frames);
    });
  },
);
