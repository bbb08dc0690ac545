import { defineStage, emit, FieldError } from '../../flow/stage.ts';
import { z } from '../../std/schema.ts';
import { castData, isInteger } from '../../tensor/quantize.ts';
import { tensorOf } from '../../tensor/tensor.ts';
import { requireTensor, tensorOfValue } from './tensor-input.ts';

const schema = z.strictObject({
  type: z
    .enum([
      'float32',
      'float16',
      'float64',
      'int8',
      'uint8',
      'int16',
      'uint16',
      'int32',
      'uint32',
      'int64',
      'uint64',
      'bool',
    ])
    .describe('The new type of the elements.'),
  scale: z
    .number()
    .positive()
    .optional()
    .describe('For integers: real = (integer - zeroPoint) * scale. Default: 1.'),
  zeroPoint: z.int().optional().describe('For integers: what stands for 0. Default: 0.'),
});

/**
 * The same shape in another type. Integers are rounded, ties to even, and end at their limits; with
 * `scale` and `zeroPoint` they are ONNX's QuantizeLinear and DequantizeLinear.
 */
export const cast = defineStage<z.infer<typeof schema>>({
  kind: 'cast',
  phase: 'preprocess',
  summary: 'Gives the elements of a tensor another type, quantised where the model wants integers.',
  schema,
  create({ type, scale = 1, zeroPoint = 0 }, context) {
    const input = requireTensor(context);
    if ((scale !== 1 || zeroPoint !== 0) && !isInteger(type) && !isInteger(input.type)) {
      throw new FieldError('scale', scale, `no quantisation from ${input.type} to ${type}`);
    }
    return {
      output: { ...input, type },
      scope: 'shared',
      open: () => ({
        run(value) {
          const tensor = tensorOfValue(value);
          return emit(tensorOf(type, tensor.shape, castData(tensor, type, { scale, zeroPoint })));
        },
      }),
    };
  },
});
