import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { decodeFlac } from '../../../src/evaluate/decode-flac.ts';
import { parseWav } from '../../../src/signal/wav.ts';

export const RATE_HZ = 16_000;
/** A frame in which loudness is measured: 10 ms. */
const FRAME = RATE_HZ / 100;
/** A frame of speech is louder than this part of its loudest. */
const LOUD_PART = 0.05;
/** Recordings of the wake word that training kept back: scripts/train/wake_data.py. */
const HELD_SHARE = 1 / 3;

/** One recording. */
export interface Recording {
  /** File name without its ending. */
  readonly name: string;
  /** Name of its folder. */
  readonly folder: string;
  readonly samples: Int16Array;
}

/** Every FLAC file of a folder and the folders in it, by name. */
export async function readRecordings(folder: string): Promise<Recording[]> {
  const files = (await readdir(folder, { recursive: true }))
    .filter((name) => name.endsWith('.flac'))
    .sort();
  const paths = files.map((name) => join(folder, name));
  const decoded = await decodeFlac(paths, folder);
  return Promise.all(
    paths.map(async (path) => {
      const { data } = parseWav(await decoded.read(decoded.wavOf(path)));
      const bytes = data.slice();
      return {
        name: basename(path, '.flac'),
        folder: basename(join(path, '..')),
        samples: new Int16Array(bytes.buffer, 0, bytes.byteLength >> 1),
      };
    }),
  );
}

/** Whether training kept a recording back, by its name. */
export function isHeldBack(name: string): boolean {
  const digest = createHash('sha256').update(`wake:${name}`).digest('hex');
  return Number.parseInt(digest.slice(0, 8), 16) / 2 ** 32 < HELD_SHARE;
}

/** Evenly spread numbers in 0..1 from a seed (mulberry32). */
export function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A room in which nobody speaks: noise some 75 dB below full scale. */
export function room(seconds: number, random: () => number): Int16Array {
  const length = Math.round(seconds * RATE_HZ);
  return Int16Array.from({ length }, () => Math.round((random() - 0.5) * 12));
}

/** Sounds one after the other. */
export function joined(...parts: readonly Int16Array[]): Int16Array {
  const all = new Int16Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function levels(samples: Int16Array): number[] {
  return Array.from({ length: Math.floor(samples.length / FRAME) }, (_, index) => {
    let power = 0;
    for (let at = index * FRAME; at < (index + 1) * FRAME; at++) power += samples[at]! ** 2;
    return Math.sqrt(power / FRAME);
  });
}

/** Where what is loud in a clean clip begins and ends: sample positions. */
export function loudPart(samples: Int16Array): { readonly begin: number; readonly end: number } {
  const all = levels(samples);
  const floor = LOUD_PART * Math.max(...all);
  const loud = all.map((level) => level > floor);
  return { begin: loud.indexOf(true) * FRAME, end: (loud.lastIndexOf(true) + 1) * FRAME };
}

/** Root mean square of the loud part. */
export function speechLevel(samples: Int16Array): number {
  const { begin, end } = loudPart(samples);
  let power = 0;
  for (let at = begin; at < end; at++) power += samples[at]! ** 2;
  return Math.sqrt(power / Math.max(1, end - begin));
}

/** A sound with noise so many decibels below a level; noise that is too short begins again. */
export function withNoise(
  samples: Int16Array,
  noise: Int16Array,
  of: { readonly level: number; readonly decibels: number; readonly from: number },
): Int16Array {
  const power = noise.reduce((sum, sample) => sum + sample ** 2, 0) / noise.length;
  const gain = of.level / Math.sqrt(power) / 10 ** (of.decibels / 20);
  return samples.map((sample, at) => {
    const mixed = sample + gain * noise[(of.from + at) % noise.length]!;
    return Math.max(-32_768, Math.min(32_767, Math.round(mixed)));
  });
}
