import type { Message } from '../../bus/bus.ts';
import { sequenceOf } from '../../bus/sequence.ts';
import { type ChunkCounts, type ChunkOrder, createChunkOrder } from '../../signal/chunk-order.ts';
import { toMono } from '../../signal/pcm.ts';
import { resampleClip } from '../../signal/resample.ts';
import type { ResamplerCache } from '../../signal/resampler-cache.ts';
import { isRiff, parseWav } from '../../signal/wav.ts';
import type { Clock } from '../../std/clock.ts';
import { createSoundRing, SAMPLE_RATE_HZ, type SoundRing, samplesOf } from './sound-ring.ts';

/** A gap that is filled with silence, as the flows' own step does. */
const BRIDGED_MS_MAX = 200;
/** One message's sound that is looked at: the longest of a stream, and any clip. */
const CHUNK_BYTES_MAX = 2_097_152;

/** What is heard from one device. */
export interface Ear {
  readonly device: string;
  readonly ring: SoundRing;
  /** Whether somebody speaks, as the flow said last; undefined before it has. */
  speaking: boolean | undefined;
  /** When sound last came, by the clock; undefined: never. */
  readonly heardAtMs: number | undefined;
  /** Takes one message of sound; what is none is left out. */
  hear(message: Message): void;
}

export interface EarOptions {
  readonly clock: Clock;
  readonly secondsKept: number;
  /** Filters to 16 kHz that all ears share. */
  readonly filters: ResamplerCache;
  /** Of all ears. */
  readonly counts: ChunkCounts;
}

/** An ear that has heard nothing yet. */
export function createEar(device: string, options: EarOptions): Ear {
  const { clock, secondsKept, filters, counts } = options;
  const ring = createSoundRing(secondsKept * SAMPLE_RATE_HZ);
  const order: ChunkOrder<Int16Array> = createChunkOrder<Int16Array>({
    bridgedMax: samplesOf(BRIDGED_MS_MAX),
    silence: (length) => new Int16Array(length),
    counts,
  });
  let heardAtMs: number | undefined;

  return {
    device,
    ring,
    speaking: undefined,
    get heardAtMs() {
      return heardAtMs;
    },
    hear({ payload, properties }) {
      const samples = samplesIn(payload, filters);
      if (samples === undefined) return;
      heardAtMs = clock.now();
      const parts = isRiff(payload) ? [samples] : order.push(sequenceOf(properties), samples);
      for (const part of parts) ring.push(part, heardAtMs);
    },
  };
}

/** The samples of a chunk or a clip; undefined where it is neither. */
function samplesIn(bytes: Uint8Array, filters: ResamplerCache): Int16Array | undefined {
  if (bytes.byteLength === 0 || bytes.byteLength > CHUNK_BYTES_MAX) return undefined;
  if (isRiff(bytes)) return clipIn(bytes, filters);
  if (bytes.byteLength % 2 !== 0) return undefined;
  return new Int16Array(Uint8Array.from(bytes).buffer);
}

function clipIn(bytes: Uint8Array, filters: ResamplerCache): Int16Array | undefined {
  try {
    const { format, channels, data, sampleRateHz } = parseWav(bytes);
    const mono = toMono(data, { format, channels });
    const filter = sampleRateHz === SAMPLE_RATE_HZ ? undefined : filters.filterFrom(sampleRateHz);
    if (sampleRateHz !== SAMPLE_RATE_HZ && filter === undefined) return undefined;
    const sound = filter === undefined ? mono : resampleClip(mono, filter);
    return Int16Array.from(sound, (value) =>
      Math.max(-32_768, Math.min(32_767, Math.round(value * 32_768))),
    );
  } catch {
    return undefined; // the flows tell of it: their dead letter has the whole event
  }
}
