import { defineStage, emit } from '../../flow/stage.ts';
import { z } from '../../std/schema.ts';
import { float32 } from '../../tensor/tensor.ts';
import { floatsOf, requireTensor, tensorOfValue } from './tensor-input.ts';

const schema = z.strictObject({
  multiply: z
    .number()
    .default(1)
    .describe('Factor of every element; 32768 gives samples the range of 16 bits.'),
  add: z.number().default(0).describe('Added to every element, after the factor.'),
  least: z.number().optional().describe('Smaller results become this.'),
  most: z.number().optional().describe('Larger results become this.'),
});

/** x * multiply + add for every element, float32; the same shape. */
export const scale = defineStage<z.infer<typeof schema>>({
  kind: 'scale',
  phase: 'preprocess',
  summary: 'Multiplies every element of a tensor by one number and adds another.',
  schema,
  create({ multiply, add, least = -Infinity, most = Infinity }, context) {
    const input = requireTensor(context, { type: 'float32' });
    const bounded = least !== -Infinity || most !== Infinity;
    return {
      output: input,
      scope: 'shared',
      open: () => ({
        run(value) {
          const tensor = tensorOfValue(value);
          const data = floatsOf(tensor);
          const out = new Float32Array(data.length);
          for (let index = 0; index < out.length; index++) {
            out[index] = data[index]! * multiply + add;
          }
          if (bounded) {
            for (let index = 0; index < out.length; index++) {
              out[index] = Math.min(most, Math.max(least, out[index]!));
            }
          }
          return emit(float32(tensor.shape, out));
        },
      }),
    };
  },
});
