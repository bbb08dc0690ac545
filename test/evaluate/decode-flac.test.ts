import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { decodeFlac } from '../../src/evaluate/decode-flac.ts';
import { parseWav } from '../../src/signal/wav.ts';
import { hasTool } from '../harness/tools.ts';

describe.skipIf(!hasTool('ffmpeg'))('decodeFlac (needs ffmpeg)', () => {
  test('gives 16 kHz mono WAV of the same length, by folder', async () => {
    const root = await mkdtemp(join(tmpdir(), 'ledge-flac-'));
    const files = [join(root, 'a', '1.flac'), join(root, 'b', '1.flac')];
    for (const [index, file] of files.entries()) {
      await mkdir(join(file, '..'));
      const sound = `sine=frequency=440:sample_rate=8000:duration=${index + 1}`;
      execFileSync('ffmpeg', ['-v', 'error', '-f', 'lavfi', '-i', sound, file]);
    }
    const { folder, wavOf, read } = await decodeFlac(files, root);
    const wavs = await Promise.all(files.map(async (file) => parseWav(await read(wavOf(file)))));
    expect(wavs.map(({ sampleRateHz, channels }) => [sampleRateHz, channels])).toEqual([
      [16_000, 1],
      [16_000, 1],
    ]);
    const seconds = wavs.map(({ data }) => data.byteLength / 32_000);
    expect(seconds).toEqual([expect.closeTo(1, 2), expect.closeTo(2, 2)]);
    await rm(root, { recursive: true });
    await rm(folder, { recursive: true });
  });
});
