import { defineStage, emit, FieldError } from '../../flow/stage.ts';
import { formatType, type Result } from '../../flow/value.ts';
import { type Detection, suppressOverlaps } from '../../image/box.ts';
import { z } from '../../std/schema.ts';

const schema = z.strictObject({
  overlapMax: z
    .number()
    .min(0)
    .max(1)
    .default(0.5)
    .describe('Boxes that share more of their common area than this are one thing.'),
  detectionsMax: z.int().min(1).max(1000).default(100).describe('Things told of one picture.'),
  byLabel: z
    .boolean()
    .default(true)
    .describe('Whether boxes of different labels leave each other alone.'),
});

/** One detection for each thing seen. */
export const nonMaxSuppression = defineStage({
  kind: 'non-max-suppression',
  phase: 'postprocess',
  summary: 'Keeps the surest of the boxes that overlap each other.',
  schema,
  create(config, { input }) {
    if (input.kind !== 'result' || input.of !== 'detections') {
      throw new FieldError('', formatType(input), 'detections, as `boxes` gives them');
    }
    return {
      output: input,
      scope: 'shared',
      open: () => ({
        run(value) {
          const { result } = value as Result;
          const found = result.detections as readonly Detection[];
          const detections = suppressOverlaps(found, config);
          return emit({ ...(value as Result), result: { ...result, detections } });
        },
      }),
    };
  },
});
