import { type CompiledStep, defineStage, emit, FieldError } from '../../flow/stage.ts';
import type { Result, ValueType } from '../../flow/value.ts';
import { LedgeError } from '../../std/error.ts';
import { z } from '../../std/schema.ts';
import { float32 } from '../../tensor/tensor.ts';
import { readPath } from './field-path.ts';
import { labelsFor, oneTensor, oneTensorType } from './one-tensor.ts';
import { float32Of } from './scores.ts';

const schema = z.strictObject({
  values: z.record(z.string(), z.string()).describe('Label -> what it is called from here on.'),
  otherwise: z.string().optional().describe('What every other label is called.'),
  field: z.string().default('label').describe('Field of a result that is looked at.'),
  to: z
    .string()
    .regex(/^[^.]+$/)
    .default('label')
    .describe('Field of the result that takes the new name.'),
});

type Config = z.infer<typeof schema>;

/** Labels by other names, several of which may become one. */
export const map = defineStage({
  kind: 'map',
  phase: 'postprocess',
  summary: 'Renames labels; on a tensor, scores whose labels become one are added up.',
  schema,
  create(config, { input }) {
    if (input.kind === 'result') return mapResults(config, input);
    return mapScores(config, input);
  },
});

/** What each label becomes. Throws FieldError where one is unknown or left over. */
function checkLabels({ values, otherwise }: Config, labels: readonly string[]): void {
  for (const label of Object.keys(values)) {
    if (!labels.includes(label)) {
      throw new FieldError(`values.${label}`, values[label], `a label: ${labels.join(', ')}`);
    }
  }
  const left = labels.filter((label) => !Object.hasOwn(values, label));
  if (otherwise === undefined && left.length > 0) {
    throw new FieldError('otherwise', undefined, `a name for ${left.join(', ')}`);
  }
}

function rename({ values, otherwise }: Config, label: string): string | undefined {
  return Object.hasOwn(values, label) ? values[label] : otherwise;
}

function mapScores(config: Config, input: ValueType): CompiledStep {
  const type = oneTensorType(input);
  const labels = labelsFor(type, undefined);
  if (labels === undefined) throw new FieldError('', 'a tensor without labels', 'labelled scores');
  checkLabels(config, labels);
  const renamed = labels.map((label) => rename(config, label) ?? label);
  const groups = [...new Set(renamed)];
  const places = renamed.map((name) => groups.indexOf(name));
  return {
    output: {
      kind: 'tensor',
      type: 'float32',
      shape: [...type.shape.slice(0, -1), groups.length],
      labels: groups,
    },
    scope: 'shared',
    open: () => ({
      run(value) {
        const tensor = oneTensor(value);
        const scores = float32Of(tensor);
        const rows = scores.length / places.length;
        const sums = new Float32Array(rows * groups.length);
        for (let at = 0; at < scores.length; at += 1) {
          const row = Math.floor(at / places.length);
          const to = row * groups.length + places[at % places.length]!;
          sums[to] = sums[to]! + scores[at]!;
        }
        return emit(float32([...tensor.shape.slice(0, -1), groups.length], sums));
      },
    }),
  };
}

function mapResults(config: Config, input: Extract<ValueType, { kind: 'result' }>): CompiledStep {
  const { field, to } = config;
  const known = field === 'label' ? input.labels : undefined;
  if (known !== undefined) checkLabels(config, known);
  const relabelled = to === 'label' && known !== undefined;
  const labels = relabelled
    ? [...new Set(known.map((label) => rename(config, label) ?? label))]
    : known;
  const { labels: _before, ...type } = input;
  return {
    output: { ...type, ...(labels && { labels }) },
    scope: 'shared',
    open: () => ({
      run(value) {
        const { result } = value as Result;
        const label = readPath(result, field);
        const name = typeof label === 'string' ? rename(config, label) : undefined;
        if (name === undefined) {
          const state = `it is ${JSON.stringify(label) ?? 'missing'}, which has no value`;
          throw new LedgeError('value-invalid', `Cannot map the field "${field}": ${state}`);
        }
        return emit({ ...(value as Result), result: { ...result, [to]: name } });
      },
    }),
  };
}
