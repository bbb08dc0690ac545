import { defineStage, emit, FieldError } from '../../flow/stage.ts';
import { z } from '../../std/schema.ts';
import { FREE, float32 } from '../../tensor/tensor.ts';
import { floatsOf, requireTensor, tensorOfValue } from './tensor-input.ts';

const schema = z.strictObject({
  means: z
    .array(z.number())
    .min(1)
    .describe('The mean of every column of the last axis; one number serves them all.'),
  deviations: z
    .array(z.number().positive())
    .min(1)
    .describe('The standard deviation of every column of the last axis, or one for all.'),
});

/** (x - mean) / deviation along the last axis; the same shape. */
export const zScore = defineStage<z.infer<typeof schema>>({
  kind: 'z-score',
  phase: 'preprocess',
  summary: 'Scales the columns of a tensor by given means and standard deviations.',
  schema,
  create({ means, deviations }, context) {
    const input = requireTensor(context, { type: 'float32' });
    const columns = input.shape.at(-1) ?? 1;
    for (const [field, values] of Object.entries({ means, deviations })) {
      if (values.length !== 1 && (columns === FREE || values.length !== columns)) {
        throw new FieldError(field, values, `1 or ${columns === FREE ? 'no' : columns} numbers`);
      }
    }
    const width = Math.max(means.length, deviations.length);
    const mean = Float64Array.from({ length: width }, (_, index) => means[index % means.length]!);
    const factor = mean.map((_, index) => 1 / deviations[index % deviations.length]!);
    return {
      output: input,
      scope: 'shared',
      open: () => ({
        run(value) {
          const tensor = tensorOfValue(value);
          const data = floatsOf(tensor);
          const out = new Float32Array(data.length);
          for (let index = 0, column = 0; index < out.length; index++) {
            out[index] = (data[index]! - mean[column]!) * factor[column]!;
            if (++column === width) column = 0;
          }
          return emit(float32(tensor.shape, out));
        },
      }),
    };
  },
});
