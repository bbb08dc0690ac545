import { defineStage, emit, FieldError, type Outcome } from '../../flow/stage.ts';
import { formatType, type Result } from '../../flow/value.ts';
import { LedgeError } from '../../std/error.ts';
import { z } from '../../std/schema.ts';
import { readPath } from '../postprocess/field-path.ts';

const topic = z
  .string()
  .min(1)
  .regex(/^[^+#\0]+$/, 'a topic without + and #');

const schema = z.strictObject({
  field: z.string().default('label').describe('Field of the result that decides.'),
  topics: z
    .record(z.string(), topic)
    .default({})
    .describe(
      "Value of the field -> end of the result's topic, in place of the device; {device} and {value} are filled in.",
    ),
  drop: z.array(z.string()).default([]).describe('Values whose results are not published.'),
  otherwise: topic
    .default('{device}')
    .describe("End of every other result's topic; {device} and {value} are filled in."),
});

type Config = z.infer<typeof schema>;

/** Where a result goes. */
export const route = defineStage({
  kind: 'route',
  phase: 'publish',
  summary: 'Chooses the end of the topic that a result goes to by one of its fields, or drops it.',
  schema,
  create(config, { input }) {
    if (input.kind !== 'result') throw new FieldError('', formatType(input), 'a result');
    checkLabels(config, input.labels);
    return {
      output: input,
      scope: 'shared',
      open: () => ({
        run: (value, { event }) => routeResult(value as Result, config, event.device),
      }),
    };
  },
});

/** A label that cannot come is a slip of the pen. */
function checkLabels({ field, topics, drop }: Config, labels: readonly string[] | undefined): void {
  if (field !== 'label' || labels === undefined) return;
  const expected = `a label: ${labels.join(', ')}`;
  for (const label of Object.keys(topics)) {
    if (!labels.includes(label)) throw new FieldError(`topics.${label}`, topics[label], expected);
  }
  for (const label of drop) {
    if (!labels.includes(label)) throw new FieldError('drop', label, expected);
  }
}

function routeResult(
  value: Result,
  { field, topics, drop, otherwise }: Config,
  device: string,
): Outcome {
  const found = readPath(value.result, field);
  if (found === undefined || typeof found === 'object') {
    throw new LedgeError('value-invalid', `Cannot route by "${field}": it is not in the result`);
  }
  const name = String(found);
  if (drop.includes(name)) return { kind: 'drop', reason: 'filtered' };
  const pattern = Object.hasOwn(topics, name) ? topics[name] : otherwise;
  if (pattern === undefined || pattern === '{device}') return emit(value);
  const parts = { device, value: topicLevel(name) };
  const end = pattern.replace(/\{(device|value)\}/g, (_, part: keyof typeof parts) => parts[part]);
  return emit({ ...value, topic: end });
}

/** Text as one level of a topic: MQTT 5, 4.7.1 keeps / + # and U+0000 for itself. */
function topicLevel(text: string): string {
  const level = text.replace(/[/+#\0]/g, '_');
  return level === '' ? '_' : level;
}
