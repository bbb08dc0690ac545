import { defineStage, emit, FieldError, type Step } from '../../flow/stage.ts';
import { createHighPass } from '../../signal/filters.ts';
import { z } from '../../std/schema.ts';
import { float32 } from '../../tensor/tensor.ts';
import { FLUSH, openFlush, settledFlush } from './flush.ts';
import { requireSignal } from './spectrum-options.ts';
import { floatsOf, tensorOfValue } from './tensor-input.ts';

const schema = z.strictObject({
  cutoffHz: z.number().positive().describe('Where a tone comes out 3 dB weaker; 12 dB per octave.'),
  flush: z
    .enum(FLUSH)
    .default('auto')
    .describe(
      '`event`: each value is a clip. `stream`: the values of a device are one signal. `auto`: ' +
        'as the event was decoded; what `window` cut is always a clip.',
    ),
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
    const settled = settledFlush(flush, input.shape[0]!);
    const openFilter = () => createHighPass(cutoffHz, sampleRateHz);
    return {
      output: input,
      scope: settled === 'event' ? 'shared' : 'device',
      open: () =>
        openFlush(settled, {
          clips: () => openHighPass(openFilter),
          stream() {
            const filter = openFilter();
            return openHighPass(() => filter);
          },
        }),
    };
  },
});

function openHighPass(filterOf: () => ReturnType<typeof createHighPass>): Step {
  return {
    run(value) {
      const tensor = tensorOfValue(value);
      return emit(float32(tensor.shape, filterOf().push(floatsOf(tensor))));
    },
  };
}
