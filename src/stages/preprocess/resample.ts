import { defineStage, emit, FieldError } from '../../flow/stage.ts';
import {
  canResample,
  createResampler,
  designResampler,
  resampleClip,
} from '../../signal/resample.ts';
import { z } from '../../std/schema.ts';
import { FREE, float32 } from '../../tensor/tensor.ts';
import { requireSignal } from './spectrum-options.ts';
import { floatsOf, tensorOfValue } from './tensor-input.ts';

const schema = z.strictObject({
  sampleRateHz: z.int().min(1).max(768_000).describe('The new rate, samples per second.'),
  flush: z
    .enum(['event', 'stream'])
    .default('event')
    .describe('`event`: each value is a clip. `stream`: the values of a device are one signal.'),
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
    const clip = flush === 'event' && samples !== FREE;
    return {
      output: {
        ...input,
        shape: [clip ? Math.ceil((samples * filter.up) / filter.down) : FREE],
        sampleRateHz,
      },
      scope: flush === 'stream' ? 'device' : 'shared',
      open() {
        const stream = flush === 'stream' ? createResampler(filter) : undefined;
        return {
          run(value) {
            const data = floatsOf(tensorOfValue(value));
            const out = stream?.push(data) ?? resampleClip(data, filter);
            return emit(float32([out.length], out));
          },
        };
      },
    };
  },
});
