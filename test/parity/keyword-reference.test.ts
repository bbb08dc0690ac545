import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { eachConcurrent } from '../../src/std/concurrent.ts';
import { decodeFlacFiles } from '../harness/audio.ts';
import { sharedData } from '../harness/shared-data.ts';
import { hasTool } from '../harness/tools.ts';
import { openVoiceFlow, wavOf } from './voice-flow.ts';

const clips = sharedData('voice/speech-commands');
const model = sharedData('models/mlperf-tiny/kws_ref.onnx');
const IN_FLIGHT = 64;
const CLIPS_PER_BATCH = 500; // decoded at a time: 32 MB of samples
const TIMEOUT_MS = 600_000; // 3,576 clips on a machine that is busy with other tests

interface LabelledFile {
  readonly label: string;
  readonly path: string;
}

function labelledFiles(root: string): LabelledFile[] {
  return ['train', 'dev'].flatMap((part) =>
    readdirSync(join(root, part)).flatMap((label) =>
      readdirSync(join(root, part, label))
        .filter((name) => name.endsWith('.flac'))
        .map((name) => ({ label, path: join(root, part, label, name) })),
    ),
  );
}

async function* decoded(files: readonly LabelledFile[]) {
  for (let start = 0; start < files.length; start += CLIPS_PER_BATCH) {
    const some = files.slice(start, start + CLIPS_PER_BATCH);
    const sounds = decodeFlacFiles(some.map(({ path }) => path));
    for (const [index, samples] of sounds.entries()) {
      yield { label: some[index]!.label, samples, place: start + index };
    }
  }
}

describe.skipIf(!clips || !model || !hasTool('ffmpeg'))(
  'the MLPerf Tiny keyword model (needs ../shared/data and ffmpeg)',
  () => {
    test('is right for 91.0 to 92.7 % of 3,576 clips', { timeout: TIMEOUT_MS }, async () => {
      await using flow = await openVoiceFlow('kws-ref', { 'kws_ref.onnx': model! });
      const files = labelledFiles(clips!);
      let right = 0;
      await eachConcurrent(decoded(files), IN_FLIGHT, async ({ label, samples, place }) => {
        const [result] = await flow.process(`voice-${place % IN_FLIGHT}`, wavOf(samples));
        if (result?.label === label) right += 1;
      });
      const accuracy = right / files.length;
      console.info(`kws_ref: ${(100 * accuracy).toFixed(2)} % of ${files.length} clips`);
      expect(files).toHaveLength(3576);
      expect(accuracy).toBeGreaterThanOrEqual(0.91);
      expect(accuracy).toBeLessThanOrEqual(0.927);
    });
  },
);
