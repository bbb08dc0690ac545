import { describe, expect, test } from 'vitest';
import { z } from '../../src/std/schema.ts';
import { commandClips, readCommandSounds } from '../flows/command-clips.ts';
import { openFlow } from '../flows/opened-flow.ts';
import { sharedData } from '../harness/shared-data.ts';
import { hasTool } from '../harness/tools.ts';
import { openVoiceFlow, piecesOf, type VoiceFlow, wavOf } from './voice-flow.ts';

const models = sharedData('models/dtln');
const voice = sharedData('voice');
/** One clip of so many: the denoiser takes a good part of the sound's time. */
const STRIDE = 9;
/** Behind each clip, so that its end comes out of the denoiser. */
const TAIL = new Float32Array(1600);

const soundSchema = z.object({ sound: z.object({ data: z.string() }) });

describe.skipIf(!models || !voice || !hasTool('ffmpeg'))(
  'commands behind DTLN (needs ../shared/data and ffmpeg)',
  () => {
    test('words in noise at 5 dB are told as without it, or a little worse', async () => {
      const noiseDb = 5;
      await using denoise = await openVoiceFlow('denoise', {
        'model_1.onnx': `${models}/model_1.onnx`,
        'model_2.onnx': `${models}/model_2.onnx`,
      });
      await using command = await openFlow('voice-command');
      const labelOf = async (samples: Float32Array): Promise<string> => {
        const [best] = z
          .tuple([z.object({ label: z.string() })])
          .parse(await command.process(wavOf(samples)));
        return best.label;
      };
      const count = {
        words: 0,
        plain: 0,
        denoised: 0,
        others: 0,
        plainOthers: 0,
        denoisedOthers: 0,
      };
      const clips = commandClips(readCommandSounds(voice!), noiseDb);
      for (const [index, { label, samples }] of clips.entries()) {
        if (index % STRIDE !== 0) continue;
        const clean = await denoised(denoise, { device: `clip-${index}`, samples });
        const plain = (await labelOf(samples)) === label;
        const behind = (await labelOf(clean)) === label;
        if (label.startsWith('_')) {
          count.others += 1;
          if (plain) count.plainOthers += 1;
          if (behind) count.denoisedOthers += 1;
        } else {
          count.words += 1;
          if (plain) count.plain += 1;
          if (behind) count.denoised += 1;
        }
      }
      console.info(`DTLN before voice-command, ${noiseDb} dB: ${JSON.stringify(count)}`);
      expect(count.denoised / count.words).toBeGreaterThan(0.6);
    }, 600_000);
  },
);

/** A clip behind the denoiser, which keeps its last 24 ms back. */
async function denoised(
  flow: VoiceFlow,
  { device, samples }: { readonly device: string; readonly samples: Float32Array },
): Promise<Float32Array> {
  const parts: Buffer[] = [];
  for (const sound of [samples, TAIL]) {
    for (const piece of piecesOf(sound)) {
      for (const result of await flow.process(device, piece)) {
        parts.push(Buffer.from(soundSchema.parse(result).sound.data, 'base64'));
      }
    }
  }
  const bytes = Buffer.concat(parts);
  const length = bytes.length / 2;
  return Float32Array.from({ length }, (_, at) => bytes.readInt16LE(at * 2) / 32_768);
}
