import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeWav } from '../../src/signal/wav.ts';

/** Ten minutes of 48 kHz float32 samples. */
const OUTPUT_BYTES_MAX = 128 * 1024 * 1024;
/** Files of one ffmpeg call, so that its output stays small. */
const FILES_PER_CALL = 500;

/** A sound file of any format as one channel of samples in -1..1 at `rate`. Needs ffmpeg. */
export function decodeAudio(path: string, rate: number): Float32Array {
  return ffmpeg(['-i', path], ['-ar', String(rate)]);
}

/**
 * Many FLAC files of one rate at once, each as one channel in -1..1: one ffmpeg for hundreds of
 * files. The files must have the same rate and one channel. Needs ffmpeg.
 */
export function decodeFlacFiles(paths: readonly string[]): Float32Array[] {
  const folder = mkdtempSync(join(tmpdir(), 'ledge-audio-'));
  try {
    const clips: Float32Array[] = [];
    for (let first = 0; first < paths.length; first += FILES_PER_CALL) {
      const some = paths.slice(first, first + FILES_PER_CALL);
      const list = join(folder, 'list.txt');
      writeFileSync(list, some.map((path) => `file '${path.replaceAll("'", "'\\''")}'\n`).join(''));
      const samples = ffmpeg(['-f', 'concat', '-safe', '0', '-i', list], []);
      let start = 0;
      for (const path of some) {
        const count = flacSamples(path);
        clips.push(samples.slice(start, start + count));
        start += count;
      }
      if (start !== samples.length) throw new Error(`${samples.length} samples, expected ${start}`);
    }
    return clips;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Writes a mono 16-bit WAV file. */
export function writeWav(path: string, samples: Float32Array, rate: number): void {
  writeFileSync(path, encodeWav(samples, rate));
}

function ffmpeg(input: readonly string[], output: readonly string[]): Float32Array {
  const bytes = execFileSync(
    'ffmpeg',
    ['-v', 'error', '-nostdin', ...input, '-ac', '1', ...output, '-f', 'f32le', '-'],
    { maxBuffer: OUTPUT_BYTES_MAX },
  );
  return new Float32Array(Uint8Array.from(bytes).buffer);
}

/** The 36 bits of STREAMINFO that count the samples. */
function flacSamples(path: string): number {
  const head = new Uint8Array(26);
  const file = openSync(path, 'r');
  try {
    readSync(file, head);
  } finally {
    closeSync(file);
  }
  const view = new DataView(head.buffer);
  return (head[21]! & 0x0f) * 2 ** 32 + view.getUint32(22);
}
