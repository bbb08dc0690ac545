import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { PredictorPool } from '../infer/predictor.ts';
import { writeWithFeatures } from '../teach/frozen.ts';
import { FEATURES } from '../teach/head.ts';
import type { RecordedRun } from './record-runs.ts';

/** Examples are no live events: they wait for those. */
const PRIORITY = 'low';
const TIMEOUT_MS = 60_000;
const BATCH = { sizeMax: 32, waitMsMax: 0 } as const;

/** What one run of a model shows of an event. */
export interface Seen {
  readonly features: Float64Array; // [size]
  readonly scores: Float64Array; // [labels]
}

/** Gives the features of model inputs, by a frozen model. */
export interface FeatureReader extends AsyncDisposable {
  read(inputs: RecordedRun['inputs']): Promise<Seen>;
}

export interface FeatureOptions {
  readonly pool: Pick<PredictorPool, 'open'>;
  /** The .onnx file, absolute. */
  readonly file: string;
  readonly labels: number;
  /** A folder for the model that gives its features. */
  readonly scratch: string;
}

/** Opens the frozen part of a model. Throws `unsupported` where its last layer is not found. */
export async function openFeatures(options: FeatureOptions): Promise<FeatureReader> {
  const { file, labels, scratch, pool } = options;
  const mark = createHash('sha256').update(file).digest('hex').slice(0, 12);
  const path = join(scratch, `features-${mark}.onnx`);
  const { scores } = await writeWithFeatures(file, path, labels);
  const predictor = await pool.open(path, { batch: BATCH, timeoutMs: TIMEOUT_MS });
  return {
    async read(inputs) {
      const given = await predictor.run(inputs, { priority: PRIORITY, keeps: () => true });
      return {
        features: Float64Array.from(given[FEATURES]?.data ?? [], Number),
        scores: Float64Array.from(given[scores]?.data ?? [], Number),
      };
    },
    [Symbol.asyncDispose]: () => predictor.close(),
  };
}

/**
 * The run that shows an event: the one there is; of several windows the one whose first input varies
 * most, which is the word rather than the room before it.
 */
export function clearestRun(runs: readonly RecordedRun[]): RecordedRun | undefined {
  let best: RecordedRun | undefined;
  let most = -1;
  for (const run of runs) {
    const spread = runs.length === 1 ? 0 : varianceOf(Object.values(run.inputs)[0]?.data ?? []);
    if (spread > most) [best, most] = [run, spread];
  }
  return best;
}

function varianceOf(data: ArrayLike<number | bigint>): number {
  let sum = 0;
  let squares = 0;
  for (let at = 0; at < data.length; at += 1) {
    const value = Number(data[at]);
    sum += value;
    squares += value * value;
  }
  const mean = sum / Math.max(1, data.length);
  return squares / Math.max(1, data.length) - mean * mean;
}
