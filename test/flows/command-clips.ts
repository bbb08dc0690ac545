import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { decodeAudio, decodeFlacFiles } from '../harness/audio.ts';

export const RATE_HZ = 16_000;

const FRAME_SAMPLES = 320;
/** A frame of a word is louder than this part of its loudest. */
const LOUD = 0.05;
/** Kitchen noise from here on was never trained on. */
const NOISE_FROM_SECONDS = 90;
/** Noise under clips that are called clean: 45 dB below the word. */
const CLEAN_DB = 45;

/** A clip as a voice session cuts it, and what was said. */
export interface CommandClip {
  readonly label: string;
  readonly samples: Float32Array;
}

/** Sounds that clips are made of. */
export interface CommandSounds {
  readonly words: readonly CommandClip[];
  readonly wakeWords: readonly Float32Array[];
  readonly noise: Float32Array;
}

/** The words of the dev speakers, recordings of a wake word, and noise. */
export function readCommandSounds(voice: string): CommandSounds {
  const dev = join(voice, 'speech-commands/dev');
  const files = readdirSync(dev).flatMap((label) =>
    readdirSync(join(dev, label)).map((file) => ({ label, path: join(dev, label, file) })),
  );
  const sounds = decodeFlacFiles(files.map(({ path }) => path));
  const words = files.map(({ label }, index) => ({ label, samples: sounds[index]! }));
  const wake = join(voice, 'wake-words/computer');
  const wakeWords = decodeFlacFiles(readdirSync(wake).map((file) => join(wake, file)));
  const noise = decodeAudio(join(voice, 'noise/kitchen.flac'), RATE_HZ);
  return { words, wakeWords, noise: noise.subarray(NOISE_FROM_SECONDS * RATE_HZ) };
}

/**
 * Each word with 0.30-0.55 s of room before and 0.10-0.20 s behind it, every second one after the
 * last 0.1-0.4 s of a wake word; kitchen noise at `noiseDb` below the word.
 */
export function commandClips(
  { words, wakeWords, noise }: CommandSounds,
  noiseDb: number | undefined,
): CommandClip[] {
  const random = createRandom(1);
  const between = (low: number, high: number): number =>
    Math.round((low + (high - low) * random()) * RATE_HZ);
  return words.map(({ label, samples }, index) => {
    const word = label === '_silence_' ? samples : loudPart(samples, 3);
    const parts: Float32Array[] = [new Float32Array(between(0.3, 0.55)), word];
    const level = rms(word);
    if (index % 2 === 0) {
      const wake = loudPart(wakeWords[Math.floor(random() * wakeWords.length)]!, 1);
      const tail = wake.slice(-between(0.1, 0.4));
      const gain = level / rms(tail);
      parts.unshift(tail.map((sample) => sample * gain));
    }
    parts.push(new Float32Array(between(0.1, 0.2)));
    const clip = joined(parts);
    const start = Math.floor(random() * (noise.length - clip.length));
    const under =
      noiseDb === undefined
        ? clip.map(() => random() * 2 - 1)
        : noise.slice(start, start + clip.length);
    const gain = (level / rms(under)) * 10 ** (-(noiseDb ?? CLEAN_DB) / 20);
    return { label, samples: clip.map((sample, at) => sample + under[at]! * gain) };
  });
}

/** From the first to the last loud frame, with so many frames more on each side. */
function loudPart(samples: Float32Array, margin: number): Float32Array {
  const count = Math.floor(samples.length / FRAME_SAMPLES);
  const levels = Array.from({ length: count }, (_, frame) =>
    rms(samples.subarray(frame * FRAME_SAMPLES, (frame + 1) * FRAME_SAMPLES)),
  );
  const least = Math.max(...levels) * LOUD;
  const first = levels.findIndex((level) => level >= least);
  const last = levels.findLastIndex((level) => level >= least);
  const start = Math.max(0, first - margin) * FRAME_SAMPLES;
  return samples.slice(start, (last + 1 + margin) * FRAME_SAMPLES);
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function rms(samples: Float32Array): number {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  return Math.sqrt(sum / samples.length) + 1e-6;
}

/** Evenly spread numbers in 0..1 (mulberry32). */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
