import type { FlowEvent } from '../../src/flow/event.ts';
import type { CompiledStep, Outcome, Stage, Step } from '../../src/flow/stage.ts';
import type { Value, ValueType } from '../../src/flow/value.ts';

/** How a stage is written in a flow and what it meets there. */
export interface StageUse {
  readonly config: Readonly<Record<string, unknown>>;
  readonly input: ValueType;
  /** What earlier steps stored under `as:`. */
  readonly named?: Readonly<Record<string, { readonly type: ValueType; readonly value: Value }>>;
  /** The flow's folder; models and labels are found in it. */
  readonly folder?: string;
  readonly contentType?: string;
  /** Milliseconds between the events that carry the values. Default 1000. */
  readonly intervalMs?: number;
}

/** When the first event of a test happens: 2025-01-01T00:00:00Z. */
export const FIRST_EVENT_TS = 1_735_689_600_000;

/** An event as the wire would make it; every call gives one of its own. */
export function eventOf(options: Partial<FlowEvent> = {}): FlowEvent {
  return {
    id: 'event-0',
    device: 'device-0',
    topic: 'ledge/in/test/device-0',
    payload: new Uint8Array(),
    receivedAtMs: 0,
    ts: FIRST_EVENT_TS,
    timing: { queueMs: 0, decodeMs: 0, preprocessMs: 0, inferMs: 0, postprocessMs: 0 },
    ...options,
  };
}

/** Parses the configuration and compiles the stage, as the flow compiler does. */
export async function compileStage(stage: Stage, use: StageUse): Promise<CompiledStep> {
  return stage.create(stage.schema.parse(use.config), {
    input: use.input,
    named: (name) => use.named?.[name]?.type,
    flow: 'test-flow',
    folder: use.folder ?? '.',
    priority: 'normal',
  });
}

/** Gives one value to a step. */
export async function runStep(
  step: Step,
  value: Value,
  { use, event = eventOf() }: { readonly use: StageUse; readonly event?: FlowEvent },
): Promise<Outcome> {
  return step.run(value, { event, named: (name) => use.named?.[name]?.value });
}

/** Gives the values to one step, each in an event of its own; the outcomes in order. */
export async function runStage(
  stage: Stage,
  use: StageUse,
  values: readonly Value[],
): Promise<Outcome[]> {
  const compiled = await compileStage(stage, use);
  const step = compiled.open();
  const outcomes: Outcome[] = [];
  for (const [index, value] of values.entries()) {
    outcomes.push(await runStep(step, value, { use, event: stageEvent(use, index) }));
  }
  await compiled.close?.();
  return outcomes;
}

/** The event in which the value of this index travels. */
export function stageEvent(use: StageUse, index: number): FlowEvent {
  const contentType = use.contentType === undefined ? {} : { contentType: use.contentType };
  const ts = FIRST_EVENT_TS + index * (use.intervalMs ?? 1000);
  return eventOf({ id: `event-${index}`, ts, ...contentType });
}

/** The values of an outcome: one, several or none. */
export function valuesOf(outcome: Outcome): readonly Value[] {
  if (outcome.kind === 'emit') return [outcome.value];
  return outcome.kind === 'emit-many' ? outcome.values : [];
}
