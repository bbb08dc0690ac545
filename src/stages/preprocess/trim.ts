import { defineStage, emit, FieldError } from '../../flow/stage.ts';
import { z } from '../../std/schema.ts';
import { FREE, float32 } from '../../tensor/tensor.ts';
import { requireSignal } from './spectrum-options.ts';
import { floatsOf, tensorOfValue } from './tensor-input.ts';

/** Longest silence on one side: a minute is more than any model looks at. */
const SILENCE_SECONDS_MAX = 60;

const silence = (): z.ZodDefault<z.ZodNumber> =>
  z.number().min(0).max(SILENCE_SECONDS_MAX).default(0);

const schema = z.strictObject({
  secondsMax: z
    .number()
    .positive()
    .optional()
    .describe('What is longer is cut to this. Default: nothing is cut.'),
  keep: z
    .enum(['start', 'end'])
    .default('end')
    .describe('Which part of a longer clip stays: its first or its last seconds.'),
  secondsBefore: silence().describe('Digital silence put before the clip, after the cut.'),
  secondsAfter: silence().describe('Digital silence put behind it.'),
});

/** The first or last seconds of a clip with silence around them, float32 [samples]. */
export const trim = defineStage<z.infer<typeof schema>>({
  kind: 'trim',
  phase: 'preprocess',
  summary: 'Cuts a clip to its first or last seconds and puts silence around it.',
  schema,
  create({ secondsMax, keep, secondsBefore, secondsAfter }, context) {
    const input = requireSignal(context);
    const samplesOf = (seconds: number): number => Math.round(seconds * input.sampleRateHz);
    const most = secondsMax === undefined ? Number.POSITIVE_INFINITY : samplesOf(secondsMax);
    if (most < 1) throw new FieldError('secondsMax', secondsMax, 'at least one sample');
    const before = samplesOf(secondsBefore);
    const added = before + samplesOf(secondsAfter);
    const [length = FREE] = input.shape;
    return {
      output: { ...input, shape: [length === FREE ? FREE : Math.min(length, most) + added] },
      scope: 'shared',
      open: () => ({
        run(value) {
          const samples = floatsOf(tensorOfValue(value));
          const start = keep === 'end' ? Math.max(0, samples.length - most) : 0;
          const kept = samples.subarray(start, Math.min(samples.length, start + most));
          const clip = new Float32Array(kept.length + added);
          clip.set(kept, before);
          return emit(float32([clip.length], clip));
        },
      }),
    };
  },
});
