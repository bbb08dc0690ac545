import { defineStage, emit, FieldError, HOLD, type Step } from '../../flow/stage.ts';
import {
  type ChunkCounts,
  type ChunkOrder,
  createChunkCounts,
  createChunkOrder,
} from '../../signal/chunk-order.ts';
import { canResample, resampleClip } from '../../signal/resample.ts';
import {
  createResamplerCache,
  type ResamplerCache,
  type ResampleStream,
} from '../../signal/resampler-cache.ts';
import { isRiff } from '../../signal/wav.ts';
import { z } from '../../std/schema.ts';
import { FREE } from '../../tensor/tensor.ts';
import { payloadInvalid, payloadLimit, payloadOf, requireBytes } from './payload.ts';
import { decodePcm16 } from './pcm16.ts';
import { channels, SIGNAL_BYTES, sampleRate, secondsMax, truncated } from './signal-options.ts';
import { decodeWav, type Sound, signalOf } from './wav.ts';

const schema = z.strictObject({
  sampleRateHz: sampleRate()
    .default(16_000)
    .describe('The rate that later stages get, samples per second; other rates are resampled.'),
  rawSampleRateHz: sampleRate()
    .optional()
    .describe('The rate of payloads that are no WAV. Default: sampleRateHz.'),
  rawChannels: channels,
  flush: z
    .enum(['auto', 'event', 'stream'])
    .default('auto')
    .describe(
      '`event`: each event is a clip of its own. `stream`: the events of a device are one ' +
        'signal, and resampling goes on from one to the next. `auto`: a WAV is a clip, raw ' +
        'samples are part of a stream. Later stages with `flush: auto` follow.',
    ),
  payloadBytesMax: payloadLimit(SIGNAL_BYTES),
  secondsMax,
  truncated,
});

/** A gap of numbered chunks that is filled with silence; a longer one is no pause within a word. */
const BRIDGED_SECONDS_MAX = 0.2;

type Config = z.infer<typeof schema>;

/**
 * A WAV file, else raw 16-bit PCM, as float32 [samples] in -1..1 at `sampleRateHz`, one channel.
 * Fails with payload-invalid, payload-too-large, value-invalid.
 */
export const audio = defineStage<Config>({
  kind: 'audio',
  phase: 'decode',
  summary: 'Reads WAV or raw 16-bit samples as one channel in -1..1 at one sample rate.',
  schema,
  create(config, context) {
    requireBytes(context);
    const { sampleRateHz, rawSampleRateHz = sampleRateHz } = config;
    if (!canResample({ fromHz: rawSampleRateHz, toHz: sampleRateHz })) {
      throw new FieldError('rawSampleRateHz', rawSampleRateHz, `a simple ratio to ${sampleRateHz}`);
    }
    const cache = createResamplerCache(sampleRateHz);
    const counts = createChunkCounts();
    const decode = (bytes: Uint8Array): Sound =>
      isRiff(bytes)
        ? decodeWav(bytes, config)
        : decodePcm16(bytes, {
            sampleRateHz: rawSampleRateHz,
            channels: config.rawChannels,
            secondsMax: config.secondsMax,
          });
    return {
      output: { kind: 'tensor', type: 'float32', shape: [FREE], sampleRateHz },
      scope: config.flush === 'event' ? 'shared' : 'device',
      figures: counts,
      open: () => openAudio(config, { decode, cache, counts }),
    };
  },
});

interface AudioParts {
  decode(bytes: Uint8Array): Sound;
  readonly cache: ResamplerCache;
  /** Of all devices. */
  readonly counts: ChunkCounts;
}

function openAudio(config: Config, { decode, cache, counts }: AudioParts): Step {
  let stream: ResampleStream | undefined;
  let order: { readonly rateHz: number; readonly chunks: ChunkOrder<Float32Array> } | undefined;

  /** The samples that can go on, in the order of their numbers; undefined: none can. */
  function ordered(sequence: number | undefined, sound: Sound): Float32Array | undefined {
    const { samples, sampleRateHz: rateHz } = sound;
    if (sequence === undefined && order === undefined) return samples;
    if (order?.rateHz !== rateHz) {
      const bridgedMax = BRIDGED_SECONDS_MAX * rateHz;
      const silence = (length: number) => new Float32Array(length);
      order = { rateHz, chunks: createChunkOrder({ bridgedMax, silence, counts }) };
    }
    const parts = order.chunks.push(sequence, samples);
    return parts.length < 2 ? parts[0] : joined(parts);
  }

  return {
    run(value, { event }) {
      const bytes = payloadOf(value, config.payloadBytesMax);
      const part = partOf(bytes, config.flush);
      event.part = part;
      const sound = decode(bytes);
      const { sampleRateHz } = sound;
      const samples = part === 'whole' ? sound.samples : ordered(event.sequence, sound);
      if (samples === undefined) return HOLD;
      if (sampleRateHz === config.sampleRateHz) return emit(signalOf(samples));
      const filter = cache.filterFrom(sampleRateHz);
      if (filter === undefined) {
        throw payloadInvalid(
          'the sound',
          `its rate of ${sampleRateHz} samples/s has no simple ratio to ${config.sampleRateHz}`,
        );
      }
      if (part === 'whole') return emit(signalOf(resampleClip(samples, filter)));
      stream ??= cache.openStream();
      return emit(signalOf(stream.push(samples, filter)));
    },
  };
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function partOf(bytes: Uint8Array, flush: Config['flush']): 'whole' | 'stream' {
  if (flush === 'auto') return isRiff(bytes) ? 'whole' : 'stream';
  return flush === 'event' ? 'whole' : 'stream';
}
