import { defineStage, emit } from '../../flow/stage.ts';
import { z } from '../../std/schema.ts';
import { fieldOrder, readFields, requireFields } from './field-order.ts';

const schema = z.strictObject({
  fields: z.array(z.string()).min(1).describe('The fields that go on, in this order.'),
});

/** Some fields of a record, in a declared order. Fails with value-invalid for a missing one. */
export const select = defineStage<z.infer<typeof schema>>({
  kind: 'select',
  phase: 'preprocess',
  summary: 'Keeps some fields of a record, in a declared order.',
  schema,
  create(config, context) {
    const names = fieldOrder(config.fields, requireFields(context.input));
    return {
      output: { kind: 'fields', names },
      scope: 'shared',
      open: () => ({
        run(value) {
          const numbers = readFields(value, names);
          return emit({
            kind: 'fields',
            fields: Object.fromEntries(names.map((name, index) => [name, numbers[index]!])),
          });
        },
      }),
    };
  },
});
