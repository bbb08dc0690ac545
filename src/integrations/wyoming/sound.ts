import { type SampleFormat, toMono } from '../../signal/pcm.ts';
import { createResampler } from '../../signal/resample.ts';
import { createResamplerCache, type ResamplerCache } from '../../signal/resampler-cache.ts';
import { LedgeError } from '../../std/error.ts';
import type { SoundFormat } from './requests.ts';

/** What every voice flow takes. */
export const SAMPLE_RATE_HZ = 16_000;
export const BYTES_PER_SECOND = 2 * SAMPLE_RATE_HZ;

/** Width 1 is signed in this protocol (as Python's audio routines have it), unlike in a WAV file. */
const FORMATS: Readonly<Record<number, SampleFormat>> = {
  1: 'uint8',
  2: 'int16',
  3: 'int24',
  4: 'int32',
};
const SIGN_BIT = 0x80;

/** One stream of sound on its way to 16 kHz, 16 bits, one channel. */
export interface SoundIntake {
  readonly format: SoundFormat;
  /** What the bytes complete, as s16le; frames may be cut anywhere. */
  push(bytes: Uint8Array): Uint8Array;
  /** The rest, as if silence followed. */
  flush(): Uint8Array;
}

/** The filters that all streams of a server share. */
export function createSoundFilters(): ResamplerCache {
  return createResamplerCache(SAMPLE_RATE_HZ);
}

/** Whether two declarations mean the same bytes. */
export function isSameFormat(a: SoundFormat, b: SoundFormat): boolean {
  return a.rate === b.rate && a.width === b.width && a.channels === b.channels;
}

/** A stream of a declared format. Throws LedgeError unsupported where its rate has no filter. */
export function openSoundIntake(format: SoundFormat, filters: ResamplerCache): SoundIntake {
  const { rate, width, channels } = format;
  const frameBytes = width * channels;
  const layout = { format: FORMATS[width] as SampleFormat, channels };
  const filter = rate === SAMPLE_RATE_HZ ? undefined : filters.filterFrom(rate);
  if (filter === undefined && rate !== SAMPLE_RATE_HZ) {
    const text = `Cannot take sound: a rate of ${rate} has no simple ratio to ${SAMPLE_RATE_HZ}`;
    throw new LedgeError('unsupported', text, { context: { field: 'rate', value: rate } });
  }
  const resampler = filter === undefined ? undefined : createResampler(filter);
  const direct = resampler === undefined && width === 2 && channels === 1;
  let cut = new Uint8Array(0); // the frame that is not whole

  function wholeFrames(bytes: Uint8Array): Uint8Array {
    const all = new Uint8Array(cut.byteLength + bytes.byteLength);
    all.set(cut);
    all.set(bytes, cut.byteLength);
    const whole = all.byteLength - (all.byteLength % frameBytes);
    cut = all.slice(whole);
    const frames = all.subarray(0, whole);
    if (width === 1) for (let at = 0; at < whole; at++) frames[at] = frames[at]! ^ SIGN_BIT;
    return frames;
  }

  return {
    format,
    push(bytes) {
      const frames = wholeFrames(bytes);
      if (direct) return frames;
      const mono = toMono(frames, layout);
      return toInt16(resampler === undefined ? mono : resampler.push(mono));
    },
    flush: () => (resampler === undefined ? new Uint8Array(0) : toInt16(resampler.flush())),
  };
}

/** Samples in -1..1 as s16le; what is louder is clipped. */
function toInt16(samples: Float32Array): Uint8Array {
  const bytes = new Uint8Array(2 * samples.length);
  const view = new DataView(bytes.buffer);
  for (let index = 0; index < samples.length; index++) {
    const scaled = Math.round(samples[index]! * 32_768);
    view.setInt16(2 * index, Math.max(-32_768, Math.min(32_767, scaled)), true);
  }
  return bytes;
}
