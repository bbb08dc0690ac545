import type { InputPart } from '../infer/protocol.ts';
import type { RunningModel } from './run-model.ts';

/** How much faster one model is than another. */
export interface Latency {
  readonly beforeMs: number;
  readonly afterMs: number;
  /** Time before divided by time after, of the best turns of a round: the middle one. */
  readonly speedup: number;
  /** Between these lie eight in ten of the ratios. */
  readonly speedupLow: number;
  readonly speedupHigh: number;
  readonly rounds: number;
}

/** Enough ratios for a tenth and nine tenths; more than a few seconds nobody waits for. */
const ROUNDS_MIN = 15;
const ROUNDS_MAX = 400;
const TIME_MS = 2000;
/** First runs allocate and pack. */
const WARM_UP_ROUNDS = 3;
/** Short runs are timed several at a time: a turn of the event loop is about 0.05 ms. */
const BATCH_MS = 0.5;
const BATCH_MAX = 64;
/** In a round each model has so many turns, and its best counts: others use the machine as well. */
const TURNS = 4;

export interface LatencyOptions {
  readonly samples: readonly (readonly InputPart[])[];
  readonly signal: AbortSignal;
  /** For all rounds; a few are run in any case. */
  readonly timeMs?: number;
}

/** Runs two models in turns on the same samples, so that what else the machine does meets both. */
export async function measureLatency(
  before: RunningModel,
  after: RunningModel,
  { samples, signal, timeMs = TIME_MS }: LatencyOptions,
): Promise<Latency> {
  let batch = 1;
  const timed = async (model: RunningModel, sample: readonly InputPart[]) => {
    const start = performance.now();
    for (let at = 0; at < batch; at += 1) await model.run(sample);
    return (performance.now() - start) / batch;
  };
  let warm = 0;
  for (let round = 0; round < WARM_UP_ROUNDS; round += 1) {
    warm = Math.min(await timed(before, samples[0]!), await timed(after, samples[0]!));
  }
  batch = Math.max(1, Math.min(BATCH_MAX, Math.round(BATCH_MS / warm)));
  const pairs: { before: number; after: number }[] = [];
  const end = performance.now() + timeMs;
  while (pairs.length < ROUNDS_MAX && (performance.now() < end || pairs.length < ROUNDS_MIN)) {
    signal.throwIfAborted();
    const sample = samples[pairs.length % samples.length]!;
    const best = { before: Number.POSITIVE_INFINITY, after: Number.POSITIVE_INFINITY };
    for (let turn = 0; turn < TURNS; turn += 1) {
      // Who goes first changes: a cache that one warms is not always the other's.
      const order =
        turn % 2 === 0 ? (['before', 'after'] as const) : (['after', 'before'] as const);
      for (const which of order) {
        const ms = await timed(which === 'before' ? before : after, sample);
        best[which] = Math.min(best[which], ms);
      }
    }
    pairs.push(best);
  }
  const ratios = sorted(pairs.map((pair) => pair.before / pair.after));
  return {
    beforeMs: quantile(sorted(pairs.map((pair) => pair.before)), 0.5),
    afterMs: quantile(sorted(pairs.map((pair) => pair.after)), 0.5),
    speedup: quantile(ratios, 0.5),
    speedupLow: quantile(ratios, 0.1),
    speedupHigh: quantile(ratios, 0.9),
    rounds: pairs.length,
  };
}

function sorted(values: readonly number[]): readonly number[] {
  return [...values].sort((a, b) => a - b);
}

function quantile(values: readonly number[], share: number): number {
  return values[Math.min(values.length - 1, Math.floor(values.length * share))] ?? Number.NaN;
}
