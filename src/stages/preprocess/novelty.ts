import { defineStage, emit, FieldError, HOLD, type Step } from '../../flow/stage.ts';
import { formatType, type Value } from '../../flow/value.ts';
import { createDailyCourse, type DailyCourse, takeHour } from '../../signal/daily-course.ts';
import {
  createSeenValues,
  KEPT_MAX,
  type SeenValues,
  takeValue,
} from '../../signal/seen-values.ts';
import { z } from '../../std/schema.ts';
import { FIELDS_MAX, namesOf, rowOf, VALUE_MAX, watchedFields } from './watched-fields.ts';

/** Longest start without results: some weeks of records each minute. */
const LEARN_MAX = 65_536;

const schema = z.strictObject({
  fields: watchedFields,
  learn: z
    .int()
    .min(2)
    .max(LEARN_MAX)
    .default(200)
    .describe('Events of each device before the first result; it goes on learning after them.'),
  resolution: z
    .number()
    .positive()
    .max(10)
    .default(0.1)
    .describe('How near to a kept value, in deviations, another is not kept itself.'),
  dailyWeight: z
    .number()
    .min(0)
    .max(10)
    .default(0.3)
    .describe('What the difference from the usual of this hour of the day counts; 0: not watched.'),
  dailyHours: z
    .number()
    .positive()
    .max(48)
    .default(0.5)
    .describe('Hours over which that difference is averaged.'),
});

type Config = z.infer<typeof schema>;

interface Watched {
  readonly level: SeenValues;
  readonly course: DailyCourse;
  readonly daily: SeenValues;
}

interface State {
  names: readonly string[];
  seen: number;
  watched: Watched[];
}

const finite = z.number().min(-VALUE_MAX).max(VALUE_MAX);
const seenSchema = z.strictObject({
  kept: z.array(finite).max(KEPT_MAX),
  count: z.int().min(0),
  mean: finite,
  squares: z.number().min(0),
});
const stateSchema = z.strictObject({
  names: z.array(z.string().min(1)).min(1).max(FIELDS_MAX),
  seen: z.int().min(1),
  watched: z.array(
    z.strictObject({
      level: seenSchema,
      course: z.strictObject({
        usual: z.array(finite.nullable()).length(createDailyCourse().usual.length),
        difference: finite,
        lastTs: z.number(),
      }),
      daily: seenSchema,
    }),
  ),
});

/**
 * By field, how far the event lies from the nearest value that its device ever sent, in deviations
 * of all it sent; or, where that is more, how far its difference from the usual of the hour lies from
 * every earlier one, times `dailyWeight`. What came once is not new again. Fields give fields; while
 * the first events come it holds. Fails with value-invalid: a field missing, not finite, too many.
 */
export const novelty = defineStage<Config>({
  kind: 'novelty',
  phase: 'preprocess',
  summary:
    'Tells, for slow single series, how far a value is from any that its device sent before.',
  schema,
  create(config, { input }) {
    if (input.kind !== 'fields') throw new FieldError('', formatType(input), 'fields');
    return {
      output: { kind: 'fields', ...(config.fields && { names: config.fields }) },
      scope: 'device',
      open: () => openNovelty(config),
    };
  },
});

function openNovelty(config: Config): Step {
  let state: State | undefined;
  return {
    run(value, { event: { ts } }) {
      state ??= begin(namesOf(value, config.fields));
      const row = rowOf(value, state.names);
      state.seen = Math.min(state.seen + 1, LEARN_MAX + 1);
      const scores = Array.from(row, (number, field) =>
        scoreOf((state as State).watched[field] as Watched, { ts, value: number, config }),
      );
      return state.seen <= config.learn ? HOLD : emit(fieldsOf(state.names, scores));
    },
    snapshot: () => (state?.seen ? structuredClone(state) : undefined),
    restore(kept) {
      const parsed = stateSchema.parse(kept);
      const wanted = config.fields ?? parsed.names;
      if (
        parsed.watched.length !== parsed.names.length ||
        wanted.join('\n') !== parsed.names.join('\n')
      ) {
        throw new TypeError(`it was kept for the fields ${parsed.names.join(', ')}`);
      }
      state = parsed;
    },
  };
}

function begin(names: readonly string[]): State {
  const watched = names.map(() => ({
    level: createSeenValues(),
    course: createDailyCourse(),
    daily: createSeenValues(),
  }));
  return { names, seen: 0, watched };
}

function scoreOf(
  { level, course, daily }: Watched,
  { ts, value, config }: { readonly ts: number; readonly value: number; readonly config: Config },
): number {
  const { resolution, dailyWeight, dailyHours } = config;
  const novel = takeValue(level, value, resolution);
  if (dailyWeight === 0) return novel;
  const difference = takeHour(course, { ts, value, hours: dailyHours });
  return Math.max(novel, dailyWeight * takeValue(daily, difference, resolution));
}

function fieldsOf(names: readonly string[], scores: readonly number[]): Value {
  const entries = names.map((name, index) => [name, scores[index] as number]);
  return { kind: 'fields', fields: Object.fromEntries(entries) };
}
