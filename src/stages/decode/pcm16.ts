import { defineStage, emit } from '../../flow/stage.ts';
import { toMono } from '../../signal/pcm.ts';
import { z } from '../../std/schema.ts';
import { FREE } from '../../tensor/tensor.ts';
import { payloadInvalid, payloadLimit, payloadOf, requireBytes } from './payload.ts';
import { channels, checkSeconds, SIGNAL_BYTES, sampleRate, secondsMax } from './signal-options.ts';
import { type Sound, signalOf } from './wav.ts';

const schema = z.strictObject({
  payloadBytesMax: payloadLimit(SIGNAL_BYTES),
  sampleRateHz: sampleRate().default(16_000).describe('The rate of the samples, per second.'),
  channels,
  secondsMax,
});

/**
 * Raw 16-bit little-endian samples as float32 [samples] in -1..1, channels mixed to one; part of
 * the device's stream.
 * Fails with payload-invalid, payload-too-large.
 */
export const pcm16 = defineStage<z.infer<typeof schema>>({
  kind: 'pcm16',
  phase: 'decode',
  summary: 'Reads raw 16-bit little-endian samples as one channel in -1..1.',
  schema,
  create(config, context) {
    requireBytes(context);
    const { sampleRateHz } = config;
    return {
      output: { kind: 'tensor', type: 'float32', shape: [FREE], sampleRateHz },
      scope: 'shared',
      open: () => ({
        run(value, { event }) {
          event.part = 'stream';
          const bytes = payloadOf(value, config.payloadBytesMax);
          return emit(signalOf(decodePcm16(bytes, config).samples));
        },
      }),
    };
  },
});

export interface Pcm16Layout {
  readonly sampleRateHz: number;
  readonly channels: number;
  readonly secondsMax: number;
}

/** Mono samples of raw 16-bit PCM. Throws LedgeError. */
export function decodePcm16(bytes: Uint8Array, layout: Pcm16Layout): Sound {
  const frameBytes = layout.channels * 2;
  if (bytes.byteLength % frameBytes !== 0) {
    throw payloadInvalid(
      'PCM',
      `${bytes.byteLength} bytes are no multiple of a frame's ${frameBytes}`,
    );
  }
  checkSeconds(bytes.byteLength / frameBytes, layout.sampleRateHz, layout.secondsMax);
  const samples = toMono(bytes, { format: 'int16', channels: layout.channels });
  return { samples, sampleRateHz: layout.sampleRateHz };
}
