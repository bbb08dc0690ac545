import { defineStage, emit, FieldError } from '../../flow/stage.ts';
import { createHighPass } from '../../signal/filters.ts';
import { z } from '../../std/schema.ts';
import { float32 } from '../../tensor/tensor.ts';
import { requireSignal } from './spectrum-options.ts';
import { floatsOf, tensorOfValue } from './tensor-input.ts';

const schema = z.strictObject({
  cutoffHz: z.number().positive().describe('Where a tone comes out 3 dB weaker; 12 dB per octave.'),
  flush: z
    .enum(['event', 'stream'])
    .default('event')
    .describe('`event`: each value is a clip. `stream`: the values of a device are one signal.'),
});

/** A signal without its low tones and its offset: a second-order Butterworth high-pass. */
export const highPass = defineStage<z.infer<typeof schema>>({
  kind: 'high-pass',
  phase: 'preprocess',
  summary: 'Takes low tones and the offset out of a signal.',
  schema,
  create({ cutoffHz, flush }, context) {
    const input = requireSignal(context);
    const { sampleRateHz } = input;
    if (cutoffHz >= sampleRateHz / 2) {
      throw new FieldError('cutoffHz', cutoffHz, `below half the sample rate, ${sampleRateHz / 2}`);
    }
    return {
      output: input,
      scope: flush === 'stream' ? 'device' : 'shared',
      open() {
        const stream = flush === 'stream' ? createHighPass(cutoffHz, sampleRateHz) : undefined;
        return {
          run(value) {
            const tensor = tensorOfValue(value);
            const filter = stream ?? createHighPass(cutoffHz, sampleRateHz);
            return emit(float32(tensor.shape, filter.push(floatsOf(tensor))));
          },
        };
      },
    };
  },
});
