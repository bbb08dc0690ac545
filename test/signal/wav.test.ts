import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { toMono } from '../../src/signal/pcm.ts';
import { designResampler, resampleClip } from '../../src/signal/resample.ts';
import { parseWav } from '../../src/signal/wav.ts';
import { decodeAudio, decodeFlacFiles, writeWav } from '../harness/audio.ts';
import { hasTool } from '../harness/tools.ts';
import { expectClose, type Reference, signalFixture } from './fixtures.ts';

const clip = Float32Array.from(signalFixture<Reference>('clip').data);
const STEP = 1 / 32_768;

describe.skipIf(!hasTool('ffmpeg'))(
  'WAV files and ffmpeg (skipped where ffmpeg is missing)',
  () => {
    let folder: string;
    let original: string;
    beforeAll(() => {
      folder = mkdtempSync(join(tmpdir(), 'ledge-wav-'));
      original = join(folder, 'clip.wav');
      writeWav(original, clip, 16_000);
    });
    afterAll(() => rmSync(folder, { recursive: true }));

    const convert = (name: string, options: readonly string[]): Uint8Array => {
      const path = join(folder, name);
      execFileSync('ffmpeg', ['-v', 'error', '-nostdin', '-y', '-i', original, ...options, path]);
      return readFileSync(path);
    };

    test('ffmpeg reads the file that encodeWav wrote', () => {
      expectClose(decodeAudio(original, 16_000), clip, STEP);
    });

    test.each([
      ['pcm_u8', 1 / 64],
      ['pcm_s16le', STEP],
      ['pcm_s24le', STEP],
      ['pcm_s32le', STEP],
      ['pcm_f32le', STEP],
    ])('parseWav reads the %s that ffmpeg wrote', (codec, tolerance) => {
      const file = parseWav(convert(`${codec}.wav`, ['-c:a', codec]));
      expect(file).toMatchObject({ sampleRateHz: 16_000, channels: 1, missingBytes: 0 });
      expectClose(toMono(file.data, file), clip, tolerance);
    });

    test('parseWav reads six channels, which ffmpeg writes as extensible', () => {
      const file = parseWav(
        convert('six.wav', ['-af', 'pan=5.1|c0=c0|c1=c0|c2=c0|c3=c0|c4=c0|c5=c0']),
      );
      expect(file).toMatchObject({ channels: 6, format: 'int16', missingBytes: 0 });
      expectClose(toMono(file.data, file), clip, STEP);
    });

    test('parseWav reads what ffmpeg streamed without knowing the size', () => {
      const args = ['-v', 'error', '-nostdin', '-i', original, '-f', 'wav', '-'];
      const file = parseWav(execFileSync('ffmpeg', args));
      expect(file.missingBytes).toBe(0);
      expectClose(toMono(file.data, file), clip, STEP);
    });

    test('many FLAC files come back one by one', () => {
      const paths = [2000, 3000, 500].map((count, index) => {
        const wav = join(folder, `${index}.wav`);
        writeWav(wav, clip.subarray(0, count), 16_000);
        const flac = join(folder, `${index}.flac`);
        execFileSync('ffmpeg', ['-v', 'error', '-nostdin', '-y', '-i', wav, flac]);
        return flac;
      });
      const clips = decodeFlacFiles(paths);
      expect(clips.map(({ length }) => length)).toEqual([2000, 3000, 500]);
      for (const decoded of clips) expectClose(decoded, clip.subarray(0, decoded.length), STEP);
    });

    test('resampling to 8 kHz agrees with ffmpeg below 3 kHz', () => {
      const low = join(folder, 'low.wav');
      const tones = Float32Array.from(
        { length: 16_000 },
        (_, index) => 0.4 * Math.sin(index / 9) + 0.3 * Math.sin(index / 1.1),
      );
      writeWav(low, tones, 16_000);
      const ours = resampleClip(tones, designResampler({ fromHz: 16_000, toHz: 8000 }));
      const theirs = decodeAudio(low, 8000);
      expectClose(ours.subarray(500, 7500), theirs.subarray(500, 7500), 2e-3);
    });
  },
);
