import { defineStage, emit, FieldError } from '../../flow/stage.ts';
import { formatType, type TensorType } from '../../flow/value.ts';
import { type NormalisePlan, normalise as normaliseData } from '../../image/normalise.ts';
import { z } from '../../std/schema.ts';
import { elementCount, FREE, float32, type Tensor } from '../../tensor/tensor.ts';

/** Channels of one tensor: a multispectral camera has a few dozen. */
const CHANNELS_MAX = 1024;

const perChannel = z.array(z.number()).min(1).max(CHANNELS_MAX);

const schema = z.strictObject({
  preset: z
    .enum(['unit', 'signed', 'imagenet'])
    .optional()
    .describe(
      "For pixels 0 to 255: unit gives 0 to 1, signed -1 to 1, imagenet torchvision's means and deviations.",
    ),
  scale: z.number().optional().describe('Multiplies first; default 1, or the preset.'),
  mean: perChannel.optional().describe('Is taken off next: one number, or one for each channel.'),
  deviation: perChannel
    .optional()
    .describe('Divides last: one number, or one for each channel; none may be 0.'),
  channels: z
    .enum(['last', 'first'])
    .default('last')
    .describe('last: [h, w, c], [n, h, w, c] or [n]; first: [c, h, w] or [n, c, h, w].'),
});

type Config = z.infer<typeof schema>;

const PRESETS: Readonly<Record<NonNullable<Config['preset']>, NormalisePlan>> = {
  unit: { scale: 1 / 255, mean: [0], deviation: [1] },
  signed: { scale: 2 / 255, mean: [1], deviation: [1] },
  // Of ImageNet's training pictures, as torchvision's models document them.
  imagenet: { scale: 1 / 255, mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225] },
};

const NEUTRAL: NormalisePlan = { scale: 1, mean: [0], deviation: [1] };

/** Numbers in the range a model was trained on. */
export const normalise = defineStage({
  kind: 'normalise',
  phase: 'preprocess',
  summary: 'Gives float32 (number * scale - mean) / deviation, channel by channel.',
  schema,
  create(config, { input }) {
    if (input.kind !== 'tensor' || input.type === 'float16') {
      throw new FieldError('', formatType(input), 'a tensor of pixels or other numbers');
    }
    const axis = channelAxis(input, config);
    const channels = input.shape[axis] ?? 1;
    const plan = compilePlan(config, channels);
    return {
      output: { ...input, type: 'float32' },
      scope: 'shared',
      open: () => ({
        run(value) {
          const { data, shape } = value as Tensor;
          // One number for all channels: any run that divides the length will do.
          const run = plan.mean.length === 1 ? data.length : elementCount(shape.slice(axis + 1));
          return emit(float32(shape, normaliseData(data, run, plan)));
        },
      }),
    };
  },
});

function channelAxis(type: TensorType, { channels }: Config): number {
  if (channels === 'last') return Math.max(type.shape.length - 1, 0);
  if (type.shape.length >= 3) return type.shape.length - 3;
  throw new FieldError('channels', channels, `\`last\` for ${formatType(type)}`);
}

function compilePlan({ preset, ...config }: Config, channels: number): NormalisePlan {
  const base = preset === undefined ? NEUTRAL : PRESETS[preset];
  const { scale = base.scale, mean = base.mean, deviation = base.deviation } = config;
  if (deviation.includes(0)) throw new FieldError('deviation', deviation, 'no 0 among them');
  const count = Math.max(mean.length, deviation.length);
  for (const [field, list] of Object.entries({ mean, deviation })) {
    if (list.length === 1 || list.length === channels) continue;
    const expected = `1 number${channels === FREE || channels === 1 ? '' : ` or ${channels}`}`;
    throw new FieldError(preset === undefined ? field : 'preset', preset ?? list, expected);
  }
  const spread = (list: readonly number[]) =>
    list.length === count ? list : Array.from({ length: count }, () => list[0] ?? 0);
  return { scale, mean: spread(mean), deviation: spread(deviation) };
}
