import { defineStage, emit } from '../../flow/stage.ts';
import { z } from '../../std/schema.ts';
import { arrayOf, tensorOf } from '../../tensor/tensor.ts';
import { fieldOrder, readFields, requireFields } from './field-order.ts';

const schema = z.strictObject({
  fields: z
    .array(z.string())
    .min(1)
    .optional()
    .describe('The fields, in the order of the tensor. Default: all that `select` declared.'),
  type: z
    .enum(['float32', 'float64'])
    .default('float32')
    .describe('float64 for a model that subtracts a large mean from small movements.'),
});

/** A record as float32 or float64 [fields]. Fails with value-invalid for a missing field. */
export const stack = defineStage<z.infer<typeof schema>>({
  kind: 'stack',
  phase: 'preprocess',
  summary: 'Turns a record into a tensor, its fields in a declared order.',
  schema,
  create({ fields, type }, context) {
    const labels = fieldOrder(fields, requireFields(context.input));
    return {
      output: { kind: 'tensor', type, shape: [labels.length], labels },
      scope: 'shared',
      open: () => ({
        run: (value) =>
          emit(tensorOf(type, [labels.length], arrayOf(type).from(readFields(value, labels)))),
      }),
    };
  },
});
