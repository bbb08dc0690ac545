import { defineStage, emit, FieldError } from '../../flow/stage.ts';
import { formatType, type ImageFile } from '../../flow/value.ts';
import { channelsOf, resizeImage } from '../../image/resize.ts';
import { z } from '../../std/schema.ts';
import { tensorOf } from '../../tensor/tensor.ts';

/** No model of an edge node looks at more pixels a side; 48 MB as RGB. */
const SIDE_MAX = 4096;

const level = z.int().min(0).max(255);

const schema = z.strictObject({
  width: z.int().min(1).max(SIDE_MAX).describe('Width of the outcome in pixels.'),
  height: z.int().min(1).max(SIDE_MAX).describe('Height of the outcome in pixels.'),
  mode: z
    .enum(['squash', 'fit-shortest', 'fit-longest'])
    .default('squash')
    .describe(
      'squash stretches; fit-shortest fills the size and cuts the rest off evenly; fit-longest shows everything between bars.',
    ),
  colour: z
    .enum(['rgb', 'bgr', 'grey'])
    .default('rgb')
    .describe('Channels in the order the model was trained on; grey is the luma of BT.601.'),
  kernel: z
    .enum(['nearest', 'linear', 'cubic', 'mitchell', 'lanczos2', 'lanczos3'])
    .default('lanczos3')
    .describe('How pixels are weighed.'),
  padding: z
    .tuple([level, level, level])
    .default([0, 0, 0])
    .describe('Red, green, blue of the bars and of what is transparent.'),
  flaws: z
    .enum(['refuse', 'accept'])
    .default('refuse')
    .describe(
      'What becomes of a complete file that its decoder warns of; accept suits cameras that write stray bytes.',
    ),
});

/** A picture's pixels at the size a model takes. */
export const resize = defineStage({
  kind: 'resize',
  phase: 'preprocess',
  summary: 'Decodes a picture straight to a size: uint8 [height, width, channels], upright, sRGB.',
  schema,
  create(plan, { input }) {
    if (input.kind !== 'image') throw new FieldError('', formatType(input), 'a picture');
    const shape = [plan.height, plan.width, channelsOf(plan.colour)];
    return {
      output: { kind: 'tensor', type: 'uint8', shape },
      scope: 'shared',
      open: () => ({
        async run(value) {
          const pixels = await resizeImage(value as ImageFile, plan);
          return emit(tensorOf('uint8', shape, pixels));
        },
      }),
    };
  },
});
