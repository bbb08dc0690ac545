import { createEvent, runCase } from '../flow/case.ts';
import type { FlowEvent } from '../flow/event.ts';
import { createPlan, type PlanParts } from '../flow/plan.ts';
import { createMemoryState } from '../flow/state.ts';
import { eachConcurrent } from '../std/concurrent.ts';
import { LedgeError } from '../std/error.ts';
import type { Dataset, Evaluated, EvaluatedEvent } from './dataset.ts';
import { isRight, MAIN_METRIC, type Metrics, scoreAll } from './score.ts';

/** Counted events on the way at a time: keeps a worker busy while the next is prepared. */
const IN_FLIGHT_MAX = 8;

/** How well a flow does with the model it has. */
export interface Evaluation {
  /** Labelled data, or the flow's own tests. */
  readonly source: 'data' | 'tests';
  /** What `value` is. */
  readonly metric: 'accuracy' | 'f1' | 'tests passed';
  /** From 0 to 1, more is better. */
  readonly value: number;
  /** Every figure that applies. */
  readonly metrics: Metrics;
  /** Whether each counted event was answered right, in the order of the data. */
  readonly right: readonly boolean[];
}

/** Evaluates a flow with a model's file in the place of its own, by every source there is. */
export type Evaluate = (file: string) => Promise<readonly Evaluation[]>;

/** Runs labelled data through a flow in this process, on a plan that has learned nothing. */
export async function evaluateData(
  parts: PlanParts,
  dataset: Dataset,
  signal: AbortSignal,
): Promise<Evaluation> {
  const plan = createPlan(parts, createMemoryState());
  const found: Evaluated[] = dataset.events.map((event) => unanswered(event));
  await eachConcurrent(payloadsOf(dataset.events, signal), IN_FLIGHT_MAX, async (one) => {
    const { results, end } = await plan.process(one.event);
    const error = end.kind === 'fail' ? end.error : undefined;
    const told = results.map(({ result }) => result as Readonly<Record<string, unknown>>);
    found[one.at] = { ...found[one.at]!, results: told, error };
  });
  signal.throwIfAborted();
  refuseFailures(found);
  const counted = found.filter(({ event }) => event.counted);
  if (counted.length === 0) {
    throw new LedgeError(
      'payload-invalid',
      `Cannot evaluate: none of ${found.length} events counts`,
    );
  }
  const metric = MAIN_METRIC[dataset.form];
  const metrics = await scoreAll(dataset.form, found);
  const right = counted.map((one) => isRight(dataset.form, one));
  return { source: 'data', metric, value: metrics[metric] ?? 0, metrics, right };
}

/** Data that a flow cannot read at all says nothing of its model. */
function refuseFailures(found: readonly Evaluated[]): void {
  const first = found[0];
  if (first === undefined || found.some(({ error }) => error === undefined)) return;
  const reason = (first.error as Error).message;
  const state = `all ${found.length} events failed, ${first.event.name} with: ${reason}`;
  throw new LedgeError('payload-invalid', `Cannot evaluate: ${state}`, { cause: first.error });
}

/** Runs a flow's own tests, each on a fresh plan. Undefined where it has none. */
export async function evaluateTests(
  parts: PlanParts,
  folder: string,
): Promise<Evaluation | undefined> {
  const right: boolean[] = [];
  for (const test of parts.tests) {
    const plan = createPlan(parts, createMemoryState());
    right.push((await runCase(plan, test, folder)).passed);
  }
  if (right.length === 0) return undefined;
  const value = right.filter(Boolean).length / right.length;
  return { source: 'tests', metric: 'tests passed', value, metrics: {}, right };
}

/** Read one after the other, so that the events of a device come in order. */
async function* payloadsOf(
  events: readonly EvaluatedEvent[],
  signal: AbortSignal,
): AsyncGenerator<{ readonly at: number; readonly event: FlowEvent }> {
  for (const [at, event] of events.entries()) {
    if (signal.aborted) return;
    yield { at, event: await flowEventOf(event, at) };
  }
}

/** An event of labelled data as a flow takes it; `at` is its place in the data. */
export async function flowEventOf(event: EvaluatedEvent, at: number): Promise<FlowEvent> {
  const { device, name, contentType } = event;
  const payload = await event.read();
  // Events of data have no time of their own but what their payload says: one a second.
  return { ...createEvent({ device, topic: name, payload, ts: at * 1000 }), contentType };
}

function unanswered(event: EvaluatedEvent): Evaluated {
  return { event, results: [], error: undefined, latencyMs: undefined };
}
