import { defineStage, emit, FieldError } from '../../flow/stage.ts';
import type { TensorType } from '../../flow/value.ts';
import { LedgeError } from '../../std/error.ts';
import { z } from '../../std/schema.ts';
import { elementCount, FREE, formatShape } from '../../tensor/tensor.ts';
import { requireTensor, tensorOfValue } from './tensor-input.ts';

const schema = z.strictObject({
  shape: z
    .array(z.int().min(FREE))
    .max(8)
    .describe('The new shape; one dimension may be -1 and takes what is left.'),
});

/** The same elements in another shape, over the same buffer. Fails with shape-mismatch. */
export const reshape = defineStage<z.infer<typeof schema>>({
  kind: 'reshape',
  phase: 'preprocess',
  summary: 'Gives a tensor another shape; the elements and their order stay.',
  schema,
  create({ shape }, context) {
    const input = requireTensor(context);
    const known = shape.filter((size) => size !== FREE);
    if (known.length < shape.length - 1) throw new FieldError('shape', shape, 'at most one -1');
    const block = elementCount(known);
    if (block === 0) throw new FieldError('shape', shape, 'no dimension of 0');
    const resolve = (count: number): readonly number[] | undefined => {
      const rest = count / block;
      const fits = known.length === shape.length ? rest === 1 : rest >= 1 && Number.isInteger(rest);
      return fits ? shape.map((size) => (size === FREE ? rest : size)) : undefined;
    };
    const free = input.shape.includes(FREE);
    const declared = free ? shape : resolve(elementCount(input.shape));
    if (declared === undefined) {
      throw new FieldError('shape', shape, `the elements of ${formatShape(input.shape)}`);
    }
    return {
      output: reshaped(input, declared),
      scope: 'shared',
      open: () => ({
        run(value) {
          const tensor = tensorOfValue(value);
          const whole = resolve(tensor.data.length);
          if (whole === undefined) {
            throw new LedgeError(
              'shape-mismatch',
              `Cannot reshape ${formatShape(tensor.shape)}: its elements do not fill ` +
                formatShape(shape),
              { context: { from: tensor.shape, to: shape } },
            );
          }
          return emit({ ...tensor, shape: whole });
        },
      }),
    };
  },
});

/** A type keeps its rate where the first axis stays, and its labels where the last one does. */
function reshaped(input: TensorType, shape: readonly number[]): TensorType {
  const { sampleRateHz, labels } = input;
  const sameRows =
    shape[0] === input.shape[0] &&
    elementCount(shape.slice(1)) === elementCount(input.shape.slice(1));
  return {
    kind: 'tensor',
    type: input.type,
    shape,
    ...(sampleRateHz !== undefined && sameRows ? { sampleRateHz } : {}),
    ...(labels !== undefined && shape.at(-1) === labels.length ? { labels } : {}),
  };
}
