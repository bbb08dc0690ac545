import { defineStage, emit, FieldError, type StageContext, type Step } from '../../flow/stage.ts';
import { formatType, type TensorType } from '../../flow/value.ts';
import { LedgeError } from '../../std/error.ts';
import { z } from '../../std/schema.ts';
import { broadcastShape, mapBroadcast } from '../../tensor/broadcast.ts';
import { elementCount, FREE, float32, formatShape, type Tensor } from '../../tensor/tensor.ts';
import { floatsOf, requireTensor, tensorOfValue } from './tensor-input.ts';

const schema = z.strictObject({
  operation: z
    .enum(['multiply', 'add', 'subtract', 'concat'])
    .describe('Element by element, dimensions of 1 repeated as in numpy; or one behind the other.'),
  with: z
    .string()
    .describe('The tensor that an earlier step stored under this name; it is second.'),
  axis: z.int().min(0).default(0).describe('For concat: the axis that grows.'),
});

type Config = z.infer<typeof schema>;

const APPLY = {
  multiply: (a: number, b: number) => a * b,
  add: (a: number, b: number) => a + b,
  subtract: (a: number, b: number) => a - b,
} as const;

/** Two float32 tensors in one. Fails with shape-mismatch, or value-invalid where one is missing. */
export const combine = defineStage<Config>({
  kind: 'combine',
  phase: 'preprocess',
  summary: 'Multiplies, adds, subtracts or joins the tensor and one that an earlier step stored.',
  schema,
  create(config, context) {
    const input = requireTensor(context, { type: 'float32' });
    const other = requireOther(config, context);
    const shape = shapeOf(config, input.shape, other.shape);
    if (shape === undefined) {
      throw new FieldError('with', formatType(other), `a shape that fits ${formatType(input)}`);
    }
    const { sampleRateHz } = input;
    return {
      output: {
        kind: 'tensor',
        type: 'float32',
        shape,
        ...(sampleRateHz === undefined ? {} : { sampleRateHz }),
      },
      scope: 'shared',
      open: () => openCombine(config),
    };
  },
});

function requireOther(config: Config, context: StageContext): TensorType {
  const other = context.named(config.with);
  if (other?.kind === 'tensor' && other.type === 'float32') return other;
  const found = other === undefined ? config.with : formatType(other);
  throw new FieldError('with', found, 'the name of a float32 tensor of an earlier step');
}

function openCombine(config: Config): Step {
  return {
    run(value, { named }) {
      const first = tensorOfValue(value);
      const second = named(config.with);
      if (second?.kind !== 'tensor') {
        throw new LedgeError('value-invalid', `Cannot combine: there is no tensor ${config.with}`);
      }
      const shape = shapeOf(config, first.shape, second.shape);
      if (shape === undefined) {
        throw new LedgeError(
          'shape-mismatch',
          `Cannot ${config.operation} ${formatShape(first.shape)} and ${config.with} ` +
            formatShape(second.shape),
        );
      }
      const [a, b] = [operandOf(first), operandOf(second)];
      const data =
        config.operation === 'concat'
          ? joined(a, b, config.axis)
          : mapBroadcast(a, b, { shape, apply: APPLY[config.operation] });
      return emit(float32(shape, data));
    },
  };
}

function operandOf(tensor: Tensor) {
  return { shape: tensor.shape, data: floatsOf(tensor) };
}

type Operand = ReturnType<typeof operandOf>;

/** The shape of the result; undefined where the two do not fit. */
function shapeOf(
  { operation, axis }: Config,
  a: readonly number[],
  b: readonly number[],
): readonly number[] | undefined {
  if (operation !== 'concat') return broadcastShape(a, b);
  if (a.length !== b.length || axis >= a.length) return undefined;
  const shape = a.map((size, index) => {
    const second = b[index]!;
    if (index === axis) return size === FREE || second === FREE ? FREE : size + second;
    if (size === FREE) return second;
    return second === FREE || second === size ? size : Number.NaN;
  });
  return shape.some(Number.isNaN) ? undefined : shape;
}

function joined(a: Operand, b: Operand, axis: number): Float32Array {
  const out = new Float32Array(a.data.length + b.data.length);
  const [blockA, blockB] = [elementCount(a.shape.slice(axis)), elementCount(b.shape.slice(axis))];
  for (let from = 0, at = 0; at < out.length; from++, at += blockA + blockB) {
    out.set(a.data.subarray(from * blockA, (from + 1) * blockA), at);
    out.set(b.data.subarray(from * blockB, (from + 1) * blockB), at + blockA);
  }
  return out;
}
