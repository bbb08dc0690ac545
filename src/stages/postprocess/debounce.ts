import { defineStage, emit, FieldError, type Outcome, type Step } from '../../flow/stage.ts';
import { formatType, type Value } from '../../flow/value.ts';
import { z } from '../../std/schema.ts';
import { readPath } from './field-path.ts';

/** Labels of one device that are remembered; beyond it the one that passed longest ago is forgotten. */
const LABELS_MAX = 1000;

const schema = z.strictObject({
  seconds: z
    .number()
    .min(0)
    .default(1)
    .describe('After a result passed, others of the same kind are dropped for this long.'),
  count: z
    .int()
    .min(1)
    .max(1000)
    .default(1)
    .describe('A result passes when this many of the same kind came in a row.'),
  by: z
    .string()
    .default('label')
    .describe('Field that tells the kind of a result; results without it are of one kind.'),
});

const snapshotSchema = z.strictObject({
  row: z.strictObject({ kind: z.string(), length: z.int().min(0) }),
  passed: z.array(z.tuple([z.string(), z.number()])).max(LABELS_MAX),
});

/** Tells a thing once, not again and again. */
export const debounce = defineStage({
  kind: 'debounce',
  phase: 'postprocess',
  summary: 'Lets one result of a kind pass and drops its repetitions, by the time of the events.',
  schema,
  create(config, { input }) {
    if (input.kind !== 'result') throw new FieldError('', formatType(input), 'a result');
    return { output: input, scope: 'device', open: () => openDebounce(config) };
  },
});

function openDebounce({ seconds, count, by }: z.infer<typeof schema>): Step {
  let passed = new Map<string, number>();
  let row = { kind: '', length: 0 };

  function run(value: Value, ts: number): Outcome {
    const kind = kindOf(value, by);
    // One beyond `count` is as good as any more, and keeps the number small.
    const length = row.kind === kind ? Math.min(row.length + 1, count) : 1;
    row = { kind, length };
    if (length < count) return { kind: 'drop', reason: 'filtered' };
    const last = passed.get(kind);
    // The distance, so that a clock that was set back does not keep a device silent for long.
    if (last !== undefined && Math.abs(ts - last) < seconds * 1000) {
      return { kind: 'drop', reason: 'filtered' };
    }
    passed.delete(kind);
    passed.set(kind, ts);
    if (passed.size > LABELS_MAX) passed.delete(passed.keys().next().value ?? '');
    return emit(value);
  }

  return {
    run: (value, { event }) => run(value, event.ts),
    snapshot: () => (row.length === 0 ? undefined : { row, passed: [...passed] }),
    restore: (state) => {
      const parsed = snapshotSchema.parse(state);
      row = parsed.row;
      passed = new Map(parsed.passed);
    },
  };
}

function kindOf(value: Value, by: string): string {
  const found = value.kind === 'result' ? readPath(value.result, by) : undefined;
  return found === undefined ? '' : String(found);
}
