import {
  defineStage,
  emit,
  FieldError,
  type StageContext,
  type StepContext,
} from '../../flow/stage.ts';
import { unfitBox } from '../../image/box.ts';
import type { Size } from '../../image/fit.ts';
import { LedgeError } from '../../std/error.ts';
import { z } from '../../std/schema.ts';
import { type BoxForm, type Candidate, findCandidates } from './box-decoder.ts';
import { compileOutputs } from './box-outputs.ts';
import { roundScore } from './scores.ts';

const schema = z.strictObject({
  layout: z
    .enum(['ssd', 'yolo'])
    .describe('ssd: scores [1, n, classes] and boxes [1, n, 4]; yolo: one output with both.'),
  scores: z.string().optional().describe('ssd: name of the output with the scores.'),
  boxes: z.string().optional().describe('Name of the output with the boxes.'),
  order: z
    .enum(['attributes-first', 'boxes-first'])
    .default('attributes-first')
    .describe('yolo: [1, 4 + classes, n] or [1, n, 4 + classes].'),
  objectness: z
    .boolean()
    .default(false)
    .describe('yolo: whether a score of its own stands before those of the classes.'),
  form: z
    .enum(['corners', 'corners-yx', 'centre'])
    .optional()
    .describe(
      'corners: x0 y0 x1 y1; corners-yx: y0 x0 y1 x1; centre: x y width height. Default corners for ssd, centre for yolo.',
    ),
  unit: z
    .enum(['fraction', 'pixel'])
    .optional()
    .describe("Of the model's input. Default fraction for ssd, pixel for yolo."),
  score: z.number().min(0).max(1).default(0.5).describe('Less sure boxes are left out.'),
  background: z.int().min(0).optional().describe('ssd: the class that means nothing is there.'),
  labels: z
    .array(z.string())
    .min(1)
    .optional()
    .describe("Names of the classes in order; default the model's own, else their numbers."),
  candidatesMax: z
    .int()
    .min(1)
    .max(10_000)
    .default(1000)
    .describe('The surest boxes that go on to non-max-suppression.'),
  width: z.int().min(1).optional().describe("Width of the model's input in pixels."),
  height: z.int().min(1).optional().describe("Height of the model's input in pixels."),
  mode: z
    .enum(['squash', 'fit-shortest', 'fit-longest'])
    .default('squash')
    .describe('How `resize` laid the picture on the input, so that boxes are told on the picture.'),
  image: z
    .string()
    .optional()
    .describe('Name of the picture before `resize`; needed unless the mode is squash.'),
});

type Config = z.infer<typeof schema>;

/** A detector's raw outputs as things seen, not yet rid of repetitions. */
export const boxes = defineStage({
  kind: 'boxes',
  phase: 'postprocess',
  summary: "Reads a detector's scores and boxes: {detections: [{label, score, box}]}.",
  schema,
  create(config, context) {
    const target = checkTarget(config, context);
    const outputs = compileOutputs(config, context.input);
    const form: BoxForm = {
      form: config.form ?? (config.layout === 'ssd' ? 'corners' : 'centre'),
      across: pixels(config) ? 1 / (target?.width ?? 1) : 1,
      down: pixels(config) ? 1 / (target?.height ?? 1) : 1,
    };
    const { score, background, candidatesMax } = config;
    const { labels } = outputs;
    return {
      output: { kind: 'result', of: 'detections', ...(labels && { labels }) },
      scope: 'shared',
      open: () => ({
        run(value, stepContext) {
          const grid = outputs.read(value);
          const found = findCandidates(grid, form, { score, background, candidatesMax });
          const place = compilePlace(config, target, stepContext);
          const detections = found.map(({ label, ...candidate }) => ({
            label: labels?.[label] ?? String(label),
            score: roundScore(candidate.score),
            box: place(candidate.box).map(roundScore),
          }));
          return emit({ kind: 'result', result: { detections } });
        },
      }),
    };
  },
});

function pixels({ unit, layout }: Config): boolean {
  return (unit ?? (layout === 'ssd' ? 'fraction' : 'pixel')) === 'pixel';
}

/** The model's input, which must be known where boxes are in its pixels or on a laid picture. */
function checkTarget(config: Config, { named }: StageContext): Size | undefined {
  const { width, height, mode, image } = config;
  const laid = mode !== 'squash';
  if (laid && image === undefined) throw new FieldError('image', image, `a name, for mode ${mode}`);
  if (image !== undefined && named(image)?.kind !== 'image') {
    throw new FieldError('image', image, 'a name that an earlier step gives to a picture');
  }
  if (width !== undefined && height !== undefined) return { width, height };
  if (!laid && !pixels(config)) return undefined;
  const field = width === undefined ? 'width' : 'height';
  throw new FieldError(field, undefined, "the size of the model's input in pixels");
}

/** Takes boxes from the model's input to the picture that was laid on it. */
function compilePlace(
  { mode, image }: Config,
  target: Size | undefined,
  context: StepContext,
): (box: Candidate['box']) => Candidate['box'] {
  if (mode === 'squash' || target === undefined || image === undefined) {
    const unit: Size = { width: 1, height: 1 };
    return (box) => unfitBox(box, { picture: unit, target: unit, mode: 'squash' });
  }
  const picture = context.named(image);
  if (picture?.kind !== 'image') {
    throw new LedgeError(
      'value-invalid',
      `Cannot place boxes: the event has no picture "${image}"`,
    );
  }
  return (box) => unfitBox(box, { picture, target, mode });
}
