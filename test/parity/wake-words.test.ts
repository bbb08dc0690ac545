import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { decodeFlacFiles } from '../harness/audio.ts';
import { sharedData } from '../harness/shared-data.ts';
import { hasTool } from '../harness/tools.ts';
import { afterSilence, openVoiceFlow, piecesOf, type VoiceFlow, wavOf } from './voice-flow.ts';

const models = sharedData('models/openwakeword');
const clips = sharedData('voice/wake-words');
const SILENCE_SECONDS = 2;
const TIMEOUT_MS = 600_000; // 90 clips, on a machine that is busy with other tests
const WORDS = { alexa: 'alexa_v0.1.onnx', computer: 'community/computer_v2.onnx' } as const;

function open(flow: string, word: keyof typeof WORDS): Promise<VoiceFlow> {
  return openVoiceFlow(flow, {
    'melspectrogram.onnx': join(models!, 'melspectrogram.onnx'),
    'embedding_model.onnx': join(models!, 'embedding_model.onnx'),
    'word.onnx': join(models!, WORDS[word]),
  });
}

function clipsOf(word: string): Float32Array[] {
  const folder = join(clips!, word);
  const files = readdirSync(folder).filter((name) => name.endsWith('.flac'));
  return decodeFlacFiles(files.map((name) => join(folder, name))).map((clip) =>
    afterSilence(clip, SILENCE_SECONDS),
  );
}

/** Of so many clips, those in which the word was heard; every clip is a device of its own. */
async function heardIn(
  said: string,
  payloadsOf: (clip: Float32Array) => Iterable<Uint8Array>,
  flow: VoiceFlow,
) {
  const all = clipsOf(said);
  const heard = await Promise.all(
    all.map(async (clip, index) => {
      const events = [...payloadsOf(clip)].map((payload) =>
        flow.process(`voice-${index}`, payload),
      );
      return (await Promise.all(events)).flat().some(({ active }) => active === true);
    }),
  );
  return { count: all.length, heard: heard.filter(Boolean).length };
}

describe.skipIf(!models || !clips || !hasTool('ffmpeg'))(
  'openWakeWord (needs ../shared/data and ffmpeg)',
  () => {
    test.each([
      { word: 'alexa', form: 'clip', recallMin: 0.95 },
      { word: 'computer', form: 'clip', recallMin: 0.93 },
      { word: 'computer', form: 'stream', recallMin: 0.85 },
    ] as const)(
      'hears $word in a $form: recall at least $recallMin',
      { timeout: TIMEOUT_MS },
      async ({ word, form, recallMin }) => {
        await using flow = await open(form === 'clip' ? 'wake-word-clip' : 'wake-word', word);
        const payloadsOf = form === 'clip' ? (clip: Float32Array) => [wavOf(clip)] : piecesOf;
        const { count, heard } = await heardIn(word, (clip) => payloadsOf(clip), flow);
        console.info(`openWakeWord: ${word} in a ${form}: ${heard} of ${count}`);
        expect(count).toBe(90);
        expect(heard / count).toBeGreaterThanOrEqual(recallMin);
      },
    );

    test('takes no jarvis for computer', { timeout: TIMEOUT_MS }, async () => {
      await using flow = await open('wake-word-clip', 'computer');
      expect(await heardIn('jarvis', (clip) => [wavOf(clip)], flow)).toEqual({
        count: 90,
        heard: 0,
      });
    });
  },
);
