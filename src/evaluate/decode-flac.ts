import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, extname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { LedgeError } from '../std/error.ts';

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

/**
 * Decodes FLAC files to 16 kHz mono 16-bit WAV in a temporary folder, by ffmpeg, or by sox where that
 * is not installed. Throws `unavailable` without either, or where a file cannot be decoded.
 */
export async function decodeFlac(files: readonly string[], root: string): Promise<Decoded> {
  const folder = await mkdtemp(join(tmpdir(), 'ledge-clips-'));
  const wavOf = (flac: string) =>
    join(folder, dirname(relative(root, flac)), `${basename(flac, extname(flac))}.wav`);
  try {
    for (const parent of new Set(files.map((file) => dirname(wavOf(file))))) {
      await mkdir(parent, { recursive: true });
    }
    const pairs = files.map((file) => [file, wavOf(file)] as const);
    if (!(await withFfmpeg(pairs)) && !(await withSox(pairs))) {
      throw unavailable('neither ffmpeg nor sox is installed');
    }
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
  return { folder, wavOf, read: (wav) => readFile(wav) };
}

type Pairs = readonly (readonly [flac: string, wav: string])[];

async function withFfmpeg(pairs: Pairs): Promise<boolean> {
  for (let from = 0; from < pairs.length; from += FILES_PER_RUN) {
    const batch = pairs.slice(from, from + FILES_PER_RUN);
    const inputs = batch.flatMap(([flac]) => ['-i', flac]);
    const form = ['-ac', '1', '-ar', SAMPLE_RATE_HZ, '-c:a', 'pcm_s16le'];
    const outputs = batch.flatMap(([, wav], index) => ['-map', String(index), ...form, wav]);
    if (!(await started('ffmpeg', ['-nostdin', '-v', 'error', ...inputs, ...outputs])))
      return false;
  }
  return true;
}

async function withSox(pairs: Pairs): Promise<boolean> {
  for (const [flac, wav] of pairs) {
    // Without dither, so that a file is decoded to the same numbers each time.
    const words = ['-D', flac, '-r', SAMPLE_RATE_HZ, '-c', '1', '-b', '16', wav];
    if (!(await started('sox', words))) return false;
  }
  return true;
}

/** Runs a program; false where it is not installed. */
async function started(program: string, words: readonly string[]): Promise<boolean> {
  try {
    await run(program, words);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw unavailable(`${program}: ${(error as Error).message.slice(0, 500)}`, error);
  }
}

function unavailable(state: string, cause?: unknown): LedgeError {
  return new LedgeError('unavailable', `Cannot decode FLAC: ${state}`, { cause });
}
