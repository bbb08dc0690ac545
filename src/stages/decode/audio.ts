import { defineStage, emit, FieldError, type Step } from '../../flow/stage.ts';
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
    const keepsSignal = {
      auto: rawSampleRateHz !== sampleRateHz,
      event: false,
      stream: true,
    }[config.flush];
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
      scope: keepsSignal ? 'device' : 'shared',
      open: () => openAudio(config, decode, cache),
    };
  },
});

function openAudio(
  config: Config,
  decode: (bytes: Uint8Array) => Sound,
  cache: ResamplerCache,
): Step {
  let stream: ResampleStream | undefined;
  return {
    run(value, { event }) {
      const bytes = payloadOf(value, config.payloadBytesMax);
      const part = partOf(bytes, config.flush);
      event.part = part;
      const { samples, sampleRateHz } = decode(bytes);
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

function partOf(bytes: Uint8Array, flush: Config['flush']): 'whole' | 'stream' {
  if (flush === 'auto') return isRiff(bytes) ? 'whole' : 'stream';
  return flush === 'event' ? 'whole' : 'stream';
}
