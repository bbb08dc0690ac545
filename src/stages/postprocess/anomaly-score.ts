import { defineStage, emit, FieldError, type Outcome, type Step } from '../../flow/stage.ts';
import { formatType, type Value, type ValueType } from '../../flow/value.ts';
import { LedgeError } from '../../std/error.ts';
import { z } from '../../std/schema.ts';

const schema = z.strictObject({
  combine: z
    .enum(['length', 'max', 'mean'])
    .default('length')
    .describe('How the deviations make one score: Euclidean length, largest or mean magnitude.'),
  threshold: z
    .number()
    .positive()
    .default(2.1)
    .describe('Score above which an event is anomalous.'),
  release: z
    .number()
    .min(0)
    .max(0.95)
    .default(0.25)
    .describe('An anomaly ends when the score falls below this part of its peak; 0: never.'),
  forgetEvents: z
    .int()
    .min(1)
    .max(10_000_000)
    .default(1800)
    .describe('Events over which a past peak is forgotten, and small anomalies count again.'),
  top: z
    .int()
    .min(0)
    .max(64)
    .default(3)
    .describe('How many of the fields that deviate most are told.'),
});

export type AnomalyScoreConfig = z.infer<typeof schema>;

const stateSchema = z.strictObject({ peak: z.number().min(0) });

/** Scores are told to this many digits after the point: more is noise. */
const DIGITS = 4;

/**
 * Makes one score of deviations (fields, or a float tensor) and says whether it is an anomaly:
 * `{score, anomaly, threshold, top: [{field, share}]}`, `share` being the field's part of the score,
 * largest first. The threshold rises with the last peak, so that the way back from a large anomaly
 * does not count as another one. Fails with value-invalid on a deviation that is not finite.
 */
export const anomalyScore = defineStage<AnomalyScoreConfig>({
  kind: 'anomaly-score',
  phase: 'postprocess',
  summary: 'Makes one score of deviations from normal and says whether it is an anomaly.',
  schema,
  create(config, { input }) {
    if (!accepts(input)) throw new FieldError('', formatType(input), 'fields, or a float tensor');
    const labels = input.kind === 'tensor' && input.shape.length === 1 ? input.labels : undefined;
    return {
      output: { kind: 'result', of: 'anomaly' },
      scope: 'device',
      open: () => openScore(config, labels),
    };
  },
});

function accepts(input: ValueType): boolean {
  if (input.kind === 'fields') return true;
  return input.kind === 'tensor' && (input.type === 'float32' || input.type === 'float64');
}

function openScore(config: AnomalyScoreConfig, labels: readonly string[] | undefined): Step {
  let peak = 0;

  function run(value: Value): Outcome {
    const deviations = deviationsOf(value, labels);
    const score = scoreOf(
      deviations.map(({ size }) => size),
      config.combine,
    );
    const threshold = Math.max(config.threshold, config.release * peak);
    peak = Math.max(score, peak * (1 - 1 / config.forgetEvents));
    const top = topOf(deviations, config.top);
    return emit({
      kind: 'result',
      result: {
        score: rounded(score),
        anomaly: score > threshold,
        threshold: rounded(threshold),
        ...(top.length > 0 && { top }),
      },
    });
  }

  return {
    run,
    snapshot: () => (peak === 0 ? undefined : { peak }),
    restore(state) {
      peak = stateSchema.parse(state).peak;
    },
  };
}

interface Deviation {
  readonly field: string;
  readonly size: number;
}

function deviationsOf(value: Value, labels: readonly string[] | undefined): Deviation[] {
  if (value.kind === 'fields') {
    return Object.entries(value.fields).map(([field, size]) => deviation(field, size));
  }
  if (value.kind !== 'tensor') {
    throw new LedgeError('internal', `anomaly-score was given ${value.kind}`);
  }
  return Array.from(value.data as Float32Array | Float64Array, (size, index) =>
    deviation(labels?.[index] ?? String(index), size),
  );
}

function deviation(field: string, size: number): Deviation {
  if (Number.isFinite(size)) return { field, size: Math.abs(size) };
  throw new LedgeError('value-invalid', `Cannot score: the deviation of "${field}" is ${size}`, {
    context: { field, value: String(size), expected: 'a finite number' },
  });
}

function scoreOf(sizes: readonly number[], combine: AnomalyScoreConfig['combine']): number {
  if (combine === 'max') return sizes.reduce((max, size) => Math.max(max, size), 0);
  if (combine === 'length') return Math.sqrt(sizes.reduce((sum, size) => sum + size * size, 0));
  return sizes.length === 0 ? 0 : sizes.reduce((sum, size) => sum + size, 0) / sizes.length;
}

/** The fields that deviate most, with their share of the squared length. */
function topOf(
  deviations: readonly Deviation[],
  count: number,
): { field: string; share: number }[] {
  const total = deviations.reduce((sum, { size }) => sum + size * size, 0);
  if (count === 0 || total === 0) return [];
  return deviations
    .toSorted((a, b) => b.size - a.size)
    .slice(0, count)
    .map(({ field, size }) => ({ field, share: rounded((size * size) / total) }));
}

function rounded(value: number): number {
  return Number(value.toFixed(DIGITS));
}
