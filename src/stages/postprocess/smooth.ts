import { defineStage, emit, FieldError, type Step } from '../../flow/stage.ts';
import { formatType, type ValueType } from '../../flow/value.ts';
import { z } from '../../std/schema.ts';
import { elementCount, FREE, float32, type Tensor } from '../../tensor/tensor.ts';
import { oneTensor, oneTensorType } from './one-tensor.ts';
import { compileScoreReader } from './score-reader.ts';
import { finite, float32Of, roundScore } from './scores.ts';

/** Numbers that one device's window may hold: 4 MB, so that a thousand devices fit a small board. */
const HELD_MAX = 1_048_576;

const schema = z.strictObject({
  method: z
    .enum(['mean', 'exponential'])
    .default('mean')
    .describe('mean: of the last `count`; exponential: each new value weighs `weight`.'),
  count: z.int().min(1).max(10_000).default(5).describe('Values of a device in the mean.'),
  weight: z
    .number()
    .positive()
    .max(1)
    .default(0.3)
    .describe('Part of the newest value in the exponential mean; 1 keeps no memory.'),
  field: z
    .string()
    .regex(/^[^.]+$/)
    .optional()
    .describe('The number of a result that is smoothed; default `score`.'),
});

type Config = z.infer<typeof schema>;

/** Takes a row of numbers and gives the smoothed row. */
type Smoother = (row: Float32Array) => Float32Array;

/** The mean of a device's last values. */
export const smooth = defineStage({
  kind: 'smooth',
  phase: 'postprocess',
  summary: "Averages a device's last tensors, or one number of its last results.",
  schema,
  create(config, { input }) {
    if (input.kind === 'result') {
      return { output: input, scope: 'device', open: () => openOnResults(config, input) };
    }
    if (config.field !== undefined) {
      throw new FieldError('field', config.field, 'an input that is a result');
    }
    const type = oneTensorType(input);
    const size = elementCount(type.shape.map((side) => (side === FREE ? 1 : side)));
    if (config.method === 'mean' && size * config.count > HELD_MAX) {
      const most = Math.floor(HELD_MAX / size);
      throw new FieldError('count', config.count, `at most ${most} of ${formatType(type)}`);
    }
    return {
      output: { ...type, type: 'float32' },
      scope: 'device',
      open: () => openOnTensors(config),
    };
  },
});

function openOnTensors(config: Config): Step {
  let smoother = createSmoother(config);
  let shape: Tensor['shape'] = [];
  return {
    run(value) {
      const tensor = oneTensor(value);
      if (tensor.shape.join() !== shape.join()) {
        smoother = createSmoother(config);
        shape = tensor.shape;
      }
      return emit(float32(tensor.shape, smoother(float32Of(tensor))));
    },
  };
}

function openOnResults(config: Config, input: ValueType): Step {
  const field = config.field ?? 'score';
  const read = compileScoreReader(input, { field });
  const smoother = createSmoother(config);
  return {
    run(value) {
      const [score] = smoother(Float32Array.of(read(value)));
      if (value.kind !== 'result' || score === undefined) return emit(value);
      return emit({ ...value, result: { ...value.result, [field]: roundScore(score) } });
    },
  };
}

function createSmoother({ method, count, weight }: Config): Smoother {
  return method === 'mean' ? createMean(count) : createExponential(weight);
}

function createMean(count: number): Smoother {
  const held: Float32Array[] = [];
  return (row) => {
    held.push(checked(row));
    if (held.length > count) held.shift();
    const mean = new Float32Array(row.length);
    for (let index = 0; index < row.length; index += 1) {
      let sum = 0;
      for (const earlier of held) sum += earlier[index]!;
      mean[index] = sum / held.length;
    }
    return mean;
  };
}

function createExponential(weight: number): Smoother {
  let mean: Float32Array | undefined;
  return (row) => {
    const before = mean;
    const numbers = checked(row);
    mean = numbers.map((number, index) => {
      const earlier = before?.[index] ?? number;
      return earlier + weight * (number - earlier);
    });
    return mean.slice();
  };
}

/** A copy of its own; one number that is not finite would spoil every mean that it is part of. */
function checked(row: Float32Array): Float32Array {
  return row.map((number, index) => finite(number, `element ${index}`));
}
