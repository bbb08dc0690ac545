import type { Evaluation } from './evaluation.ts';
import { wilsonInterval } from './metrics.ts';
import type { Metrics } from './score.ts';

/** One model's figure. */
export interface AccuracyFigure {
  readonly value: number;
  /** Where the true share lies with 95 % confidence; only of a share of events. */
  readonly low?: number;
  readonly high?: number;
  readonly metrics: Metrics;
}

/** How a flow does with two models on the same events. */
export interface Accuracy {
  readonly source: Evaluation['source'];
  readonly metric: Evaluation['metric'];
  /** Events, or tests. */
  readonly count: number;
  readonly before: AccuracyFigure;
  readonly after: AccuracyFigure;
  /** After less before, in percentage points. */
  readonly changePp: number;
  /** Events that were right before and are wrong after, and the other way round. */
  readonly lost: number;
  readonly gained: number;
}

/** Puts two evaluations on the same events beside each other. */
export function compareEvaluations(before: Evaluation, after: Evaluation): Accuracy {
  const pairs = before.right.map((was, at) => [was, after.right[at] === true] as const);
  return {
    source: before.source,
    metric: before.metric,
    count: before.right.length,
    before: figureOf(before),
    after: figureOf(after),
    changePp: Number((100 * (after.value - before.value)).toFixed(2)),
    lost: pairs.filter(([was, is]) => was && !is).length,
    gained: pairs.filter(([was, is]) => !was && is).length,
  };
}

function figureOf({ metric, value, metrics, right }: Evaluation): AccuracyFigure {
  if (metric === 'f1') return { value, metrics };
  const [low, high] = wilsonInterval(right.filter(Boolean).length, right.length);
  return { value, low: Number(low.toFixed(4)), high: Number(high.toFixed(4)), metrics };
}

/** In words: `accuracy 91.9 % (88.6-94.2) -> 91.6 % (88.3-94.0), 369 events: 2 lost, 1 gained`. */
export function formatAccuracy({ metric, count, before, after, lost, gained }: Accuracy): string {
  const of = metric === 'tests passed' ? 'tests' : 'events';
  const change = `${count} ${of}: ${lost} lost, ${gained} gained`;
  return `${metric} ${formatFigure(before)} -> ${formatFigure(after)}, ${change}`;
}

/** A share in per cent with its interval. */
export function formatFigure({ value, low, high }: AccuracyFigure): string {
  const percent = (share: number) => (100 * share).toFixed(1);
  const range =
    low === undefined || high === undefined ? '' : ` (${percent(low)}-${percent(high)})`;
  return `${percent(value)} %${range}`;
}
