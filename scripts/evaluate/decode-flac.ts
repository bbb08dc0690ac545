import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, extname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { LedgeError } from '../../src/std/error.ts';

/** Files decoded by one ffmpeg: starting it takes longer than decoding a clip. */
const FILES_PER_RUN = 64;
const SAMPLE_RATE_HZ = '16000';

const run = promisify(execFile);

/** Where decoded clips lie: remove it when done. */
export interface Decoded {
  readonly folder: string;
  /** The WAV file of a FLAC file. */
  wavOf(flac: string): string;
  read(wav: string): Promise<Uint8Array>;
}

/** Decodes FLAC files to 16 kHz mono 16-bit WAV in a temporary folder. Throws `unavailable`. */
export async function decodeFlac(files: readonly string[], root: string): Promise<Decoded> {
  const folder = await mkdtemp(join(tmpdir(), 'ledge-clips-'));
  const wavOf = (flac: string) =>
    join(folder, dirname(relative(root, flac)), `${basename(flac, extname(flac))}.wav`);
  for (const parent of new Set(files.map((file) => dirname(wavOf(file))))) {
    await mkdir(parent, { recursive: true });
  }
  for (let from = 0; from < files.length; from += FILES_PER_RUN) {
    const batch = files.slice(from, from + FILES_PER_RUN);
    const outputs = batch.flatMap((file, index) => [
      '-map',
      String(index),
      '-ac',
      '1',
      '-ar',
      SAMPLE_RATE_HZ,
      '-c:a',
      'pcm_s16le',
      wavOf(file),
    ]);
    const inputs = batch.flatMap((file) => ['-i', file]);
    try {
      await run('ffmpeg', ['-nostdin', '-v', 'error', ...inputs, ...outputs]);
    } catch (error) {
      const message = `Cannot decode FLAC with ffmpeg: ${(error as Error).message.slice(0, 500)}`;
      throw new LedgeError('unavailable', message, { cause: error });
    }
  }
  return { folder, wavOf, read: (wav) => readFile(wav) };
}
