import { defineStage, emit, FieldError } from '../../flow/stage.ts';
import { z } from '../../std/schema.ts';
import { FREE, float32 } from '../../tensor/tensor.ts';
import { requireSignal } from './spectrum-options.ts';
import { floatsOf, tensorOfValue } from './tensor-input.ts';

/** Longest silence on one side: a minute is more than any model looks at. */
const SILENCE_SECONDS_MAX = 60;

/** Where the generator of the noise begins. */
const SEED = 1;

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
  secondsBefore: silence().describe('Silence put before the clip, after the cut.'),
  secondsAfter: silence().describe('Silence put behind it.'),
  silenceNoise: z
    .number()
    .min(0)
    .max(1)
    .default(0)
    .describe(
      'Largest sample of white noise in the silence, 1 is full scale: 0.0002 is a quiet room, ' +
        'which a model may know better than digital silence.',
    ),
});

/** The first or last seconds of a clip with silence around them, float32 [samples]. */
export const trim = defineStage<z.infer<typeof schema>>({
  kind: 'trim',
  phase: 'preprocess',
  summary: 'Cuts a clip to its first or last seconds and puts silence around it.',
  schema,
  create({ secondsMax, keep, secondsBefore, secondsAfter, silenceNoise }, context) {
    const input = requireSignal(context);
    const samplesOf = (seconds: number): number => Math.round(seconds * input.sampleRateHz);
    const most = secondsMax === undefined ? Number.POSITIVE_INFINITY : samplesOf(secondsMax);
    if (most < 1) throw new FieldError('secondsMax', secondsMax, 'at least one sample');
    const before = samplesOf(secondsBefore);
    const added = before + samplesOf(secondsAfter);
    // The same around each clip, so that the same clip gives the same result.
    const silenceAround =
      silenceNoise === 0 ? new Float32Array(added) : whiteNoise(added, silenceNoise);
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
          clip.set(silenceAround.subarray(0, before));
          clip.set(kept, before);
          clip.set(silenceAround.subarray(before), before + kept.length);
          return emit(float32([clip.length], clip));
        },
      }),
    };
  },
});

/** Evenly spread numbers in -peak..peak (mulberry32). */
function whiteNoise(count: number, peak: number): Float32Array {
  let state = SEED;
  return Float32Array.from({ length: count }, () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 31 - 1) * peak;
  });
}
