import { defineStage, emit } from '../../flow/stage.ts';
import { sampleBytes, toMono } from '../../signal/pcm.ts';
import { parseWav } from '../../signal/wav.ts';
import { LedgeError } from '../../std/error.ts';
import { z } from '../../std/schema.ts';
import { FREE, float32, type Tensor } from '../../tensor/tensor.ts';
import { payloadInvalid, payloadLimit, payloadOf, requireBytes } from './payload.ts';
import { checkSeconds, SIGNAL_BYTES, sampleRate, secondsMax, truncated } from './signal-options.ts';

const schema = z.strictObject({
  payloadBytesMax: payloadLimit(SIGNAL_BYTES),
  sampleRateHz: sampleRate()
    .optional()
    .describe(
      'The rate that every file must have, samples per second; `audio` resamples instead. ' +
        'Without it any rate is taken, and later stages do not know it.',
    ),
  secondsMax,
  truncated,
});

/**
 * The sound of a WAV file as float32 [samples] in -1..1, channels mixed to one; a whole clip.
 * Fails with payload-invalid, payload-too-large, value-invalid.
 */
export const wav = defineStage<z.infer<typeof schema>>({
  kind: 'wav',
  phase: 'decode',
  summary: 'Reads a WAV file (PCM of 8 to 32 bits, float32) as one channel of samples in -1..1.',
  schema,
  create(config, context) {
    requireBytes(context);
    const { sampleRateHz } = config;
    return {
      output: {
        kind: 'tensor',
        type: 'float32',
        shape: [FREE],
        ...(sampleRateHz === undefined ? {} : { sampleRateHz }),
      },
      scope: 'shared',
      open: () => ({
        run(value, { event }) {
          event.part = 'whole';
          const sound = decodeWav(payloadOf(value, config.payloadBytesMax), config);
          if (sampleRateHz !== undefined && sound.sampleRateHz !== sampleRateHz) {
            throw payloadInvalid(
              'WAV',
              `its rate is ${sound.sampleRateHz} samples/s, expected ${sampleRateHz}`,
            );
          }
          return emit(signalOf(sound.samples));
        },
      }),
    };
  },
});

export interface Sound {
  readonly samples: Float32Array;
  readonly sampleRateHz: number;
}

/** The mono samples of a WAV file within the limits. Throws LedgeError. */
export function decodeWav(
  bytes: Uint8Array,
  limits: Pick<z.infer<typeof schema>, 'secondsMax' | 'truncated'>,
): Sound {
  const file = parseWav(bytes);
  if (file.missingBytes > 0 && limits.truncated === 'refuse') {
    throw payloadInvalid(
      'WAV',
      `its header promises ${file.missingBytes} bytes more than the ` +
        `${file.data.byteLength} there are`,
    );
  }
  const frames = file.data.byteLength / (file.channels * sampleBytes(file.format));
  // Before the samples are made: of 8 bits each they take four times the room of the file.
  checkSeconds(frames, file.sampleRateHz, limits.secondsMax);
  const samples = toMono(file.data, file);
  if (file.format === 'float32') checkFinite(samples);
  return { samples, sampleRateHz: file.sampleRateHz };
}

/** Throws LedgeError value-invalid naming the first sample that is NaN or infinite. */
export function checkFinite(samples: Float32Array): void {
  // A finite number times 0 is 0, anything else is NaN: one addition each, no call.
  let sum = 0;
  for (let index = 0; index < samples.length; index += 1) sum += samples[index]! * 0;
  if (sum === 0) return;
  const bad = samples.findIndex((sample) => !Number.isFinite(sample));
  throw new LedgeError(
    'value-invalid',
    `Cannot decode the tensor: element ${bad} is ${samples[bad]}, expected a finite number`,
    { context: { index: bad } },
  );
}

/** Samples as a value. */
export function signalOf(samples: Float32Array): Tensor {
  return float32([samples.length], samples);
}
