import { defineStage, emit, FieldError, type Step } from '../../flow/stage.ts';
import {
  canResample,
  createResampler,
  designResampler,
  resampleClip,
} from '../../signal/resample.ts';
import { z } from '../../std/schema.ts';
import { FREE, float32 } from '../../tensor/tensor.ts';
import { FLUSH, openFlush, settledFlush } from './flush.ts';
import { requireSignal } from './spectrum-options.ts';
import { floatsOf, tensorOfValue } from './tensor-input.ts';

const schema = z.strictObject({
  sampleRateHz: z.int().min(1).max(768_000).describe('The new rate, samples per second.'),
  flush: z
    .enum(FLUSH)
    .default('auto')
    .describe(
      '`event`: each value is a clip. `stream`: the values of a device are one signal. `auto`: ' +
        'as the event was decoded; what `window` cut is always a clip.',
    ),
});

/** A signal at another sample rate, float32 [samples]; sample 0 stays at time 0. */
export const resample = defineStage<z.infer<typeof schema>>({
  kind: 'resample',
  phase: 'preprocess',
  summary: 'Gives a signal another sample rate, by a windowed-sinc filter.',
  schema,
  create({ sampleRateHz, flush }, context) {
    const input = requireSignal(context);
    const rates = { fromHz: input.sampleRateHz, toHz: sampleRateHz };
    if (!canResample(rates)) {
      throw new FieldError('sampleRateHz', sampleRateHz, `a simple ratio to ${rates.fromHz}`);
    }
    const filter = designResampler(rates);
    const samples = input.shape[0]!;
    const settled = settledFlush(flush, samples);
    const clip = settled === 'event' && samples !== FREE;
    return {
      output: {
        ...input,
        shape: [clip ? Math.ceil((samples * filter.up) / filter.down) : FREE],
        sampleRateHz,
      },
      scope: settled === 'event' ? 'shared' : 'device',
      open: () =>
        openFlush(settled, {
          clips: () => openResample((samples) => resampleClip(samples, filter)),
          stream: () => openResample(createResampler(filter).push),
        }),
    };
  },
});

function openResample(apply: (samples: Float32Array) => Float32Array): Step {
  return {
    run(value) {
      const out = apply(floatsOf(tensorOfValue(value)));
      return emit(float32([out.length], out));
    },
  };
}
