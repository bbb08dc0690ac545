import { defineStage, emit, FieldError } from '../../flow/stage.ts';
import { z } from '../../std/schema.ts';
import { float32 } from '../../tensor/tensor.ts';
import { floatsOf, requireTensor, tensorOfValue } from './tensor-input.ts';

const schema = z.strictObject({
  power: z
    .union([z.literal(1), z.literal(2)])
    .default(1)
    .describe('1: magnitudes, 2: powers.'),
});

/** The magnitude, or power, of complex elements: [..., 2] to [...]. */
export const magnitude = defineStage<z.infer<typeof schema>>({
  kind: 'magnitude',
  phase: 'preprocess',
  summary: 'Gives the magnitude or the power of a complex spectrum.',
  schema,
  create({ power }, context) {
    const input = requireTensor(context, { type: 'float32' });
    if (input.shape.at(-1) !== 2) throw new FieldError('', input.shape, 'a spectrum [..., 2]');
    return {
      output: { kind: 'tensor', type: 'float32', shape: input.shape.slice(0, -1) },
      scope: 'shared',
      open: () => ({
        run(value) {
          const tensor = tensorOfValue(value);
          const data = floatsOf(tensor);
          const out = new Float32Array(data.length / 2);
          for (let index = 0; index < out.length; index++) {
            const re = data[2 * index]!;
            const im = data[2 * index + 1]!;
            const squared = re * re + im * im;
            out[index] = power === 2 ? squared : Math.sqrt(squared);
          }
          return emit(float32(tensor.shape.slice(0, -1), out));
        },
      }),
    };
  },
});
