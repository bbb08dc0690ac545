import {
  defineStage,
  emit,
  FieldError,
  HOLD,
  type ModelIdentity,
  type Outcome,
  type Step,
} from '../../flow/stage.ts';
import { formatType, type Value, type ValueType } from '../../flow/value.ts';
import {
  columnMeans,
  deviationOf,
  type LearnedNormal,
  learnNormal,
  scaleRow,
} from '../../signal/learned-normal.ts';
import { z } from '../../std/schema.ts';
import { norm } from '../../tensor/linear-algebra.ts';
import { float32 } from '../../tensor/tensor.ts';
import { type BaselineState, parseBaselineState, writeBaselineState } from './baseline-state.ts';
import { FIELDS_MAX, namesOf, rowOf, watchedFields } from './watched-fields.ts';

/** Events learned from: with 64 fields 2 MiB a device while it learns. */
const LEARN_MAX = 4096;

const schema = z.strictObject({
  fields: watchedFields,
  learn: z
    .int()
    .min(10)
    .max(LEARN_MAX)
    .default(400)
    .describe('Events of each device that its normal is learned from; they give no result.'),
  window: z
    .int()
    .min(1)
    .max(1024)
    .default(20)
    .describe('Events whose mean is looked at: a longer one sees smaller changes, later.'),
  adaptEvents: z
    .int()
    .min(0)
    .max(1_000_000)
    .default(75)
    .describe('Events over which normal follows a slow drift; 0: it stays as learned.'),
  adaptBelow: z
    .number()
    .positive()
    .default(2.25)
    .describe('Distance from which on normal follows no event; it follows nearer ones the more.'),
});

export type BaselineConfig = z.infer<typeof schema>;

const MODEL: ModelIdentity = { name: 'learned-baseline', version: '1', precision: 'fp64' };

/**
 * Learns on the node what is normal for each device. While learning it holds; afterwards each event
 * gives by field how far the mean of the last events is from normal, decorrelated, so that the
 * Euclidean length of all is at most 1 for 99 % of what was learned. Fields give fields, a tensor
 * [n] gives a float32 tensor [n]. Fails with value-invalid: a field missing, not finite, too many.
 */
export const baseline = defineStage<BaselineConfig>({
  kind: 'baseline',
  phase: 'preprocess',
  summary: "Learns each device's normal from its first events, then tells how far it is from it.",
  schema,
  create(config, context) {
    if (config.learn < 2 * config.window) {
      throw new FieldError('learn', config.learn, `at least twice the window of ${config.window}`);
    }
    return {
      output: outputOf(context.input, config),
      scope: 'device',
      model: MODEL,
      open: () => openBaseline(config),
    };
  },
});

function outputOf(input: ValueType, config: BaselineConfig): ValueType {
  if (input.kind === 'fields') {
    return config.fields === undefined
      ? { kind: 'fields' }
      : { kind: 'fields', names: config.fields };
  }
  const fits =
    input.kind === 'tensor' &&
    input.shape.length === 1 &&
    (input.shape[0] as number) <= FIELDS_MAX &&
    (input.type === 'float32' || input.type === 'float64');
  if (!fits) throw new FieldError('', formatType(input), 'fields, or a float tensor [n], n <= 64');
  if (config.fields !== undefined) {
    throw new FieldError('fields', config.fields, 'no names, as the input is a tensor');
  }
  return { ...input, type: 'float32' };
}

function openBaseline(config: BaselineConfig): Step {
  let state: BaselineState = { phase: 'new' };

  function run(value: Value): Outcome {
    if (state.phase === 'new') state = beginLearning(namesOf(value, config.fields), config);
    const row = rowOf(value, state.names);
    if (state.phase === 'learning') {
      state.rows.set(row, state.seen * row.length);
      state.seen += 1;
      if (state.seen === config.learn) state = finishLearning(state, config);
      return HOLD;
    }
    return emit(like(value, state.names, deviate(state, row, config)));
  }

  return {
    run,
    snapshot: () => writeBaselineState(state, config),
    restore(kept) {
      state = parseBaselineState(kept, config);
    },
  };
}

type Learning = Extract<BaselineState, { phase: 'learning' }>;
type Learned = Extract<BaselineState, { phase: 'learned' }>;

function beginLearning(names: readonly string[], config: BaselineConfig): Learning {
  const rows = new Float64Array(config.learn * names.length);
  return { phase: 'learning', names, seen: 0, rows };
}

function finishLearning({ names, rows }: Learning, { window }: BaselineConfig): Learned {
  const n = names.length;
  const normal: LearnedNormal = learnNormal(rows, n, window);
  const recent = new Float64Array(window * n);
  for (let back = 0; back < window; back++) {
    const from = rows.length - (window - back) * n;
    recent.set(scaleRow(rows.subarray(from, from + n), normal), back * n);
  }
  return { phase: 'learned', names, normal, reference: normal.reference.slice(), recent };
}

/** Takes one row into the window; gives the deviation and lets the reference follow it. */
function deviate(state: Learned, row: Float64Array, config: BaselineConfig): Float64Array {
  const { recent, reference, normal } = state;
  recent.copyWithin(0, row.length);
  recent.set(scaleRow(row, normal), recent.length - row.length);
  const mean = columnMeans(recent, row.length);
  const deviation = deviationOf(mean, reference, normal);
  const rate = adaptRate(norm(deviation), config);
  mean.forEach((value, field) => {
    const before = reference[field] as number;
    reference[field] = before + rate * (value - before);
  });
  return deviation;
}

/** How much of the way to an event normal goes: less for one that may be the start of a fault. */
function adaptRate(distance: number, { adaptEvents, adaptBelow }: BaselineConfig): number {
  if (adaptEvents === 0 || distance >= adaptBelow) return 0;
  return (1 - (distance / adaptBelow) ** 2) / adaptEvents;
}

function like(value: Value, names: readonly string[], deviation: Float64Array): Value {
  if (value.kind === 'tensor') return float32(value.shape, Float32Array.from(deviation));
  const entries = names.map((name, index) => [name, deviation[index] as number]);
  return { kind: 'fields', fields: Object.fromEntries(entries) };
}
