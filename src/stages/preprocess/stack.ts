import { defineStage, emit } from '../../flow/stage.ts';
import { z } from '../../std/schema.ts';
import { float32 } from '../../tensor/tensor.ts';
import { fieldOrder, readFields, requireFields } from './field-order.ts';

const schema = z.strictObject({
  fields: z
    .array(z.string())
    .min(1)
    .optional()
    .describe('The fields, in the order of the tensor. Default: all that `select` declared.'),
});

/** A record as float32 [fields]. Fails with value-invalid for a missing field. */
export const stack = defineStage<z.infer<typeof schema>>({
  kind: 'stack',
  phase: 'preprocess',
  summary: 'Turns a record into a tensor, its fields in a declared order.',
  schema,
  create(config, context) {
    const labels = fieldOrder(config.fields, requireFields(context.input));
    return {
      output: { kind: 'tensor', type: 'float32', shape: [labels.length], labels },
      scope: 'shared',
      open: () => ({
        run: (value) =>
          emit(float32([labels.length], Float32Array.from(readFields(value, labels)))),
      }),
    };
  },
});
