import { LedgeError, toLedgeError } from '../std/error.ts';
import type { EventOutcome, FlowEvent, Timing } from './event.ts';
import { describeOutcome, type Tracer } from './observe.ts';
import type { CompiledStep, ModelIdentity, Outcome, Phase, Step, StepContext } from './stage.ts';
import type { Result, Value } from './value.ts';

/** One step of a plan, with its place in the flow. */
export interface PlanStep {
  readonly stage: string;
  readonly phase: Phase;
  readonly compiled: CompiledStep;
  /** The named value it takes instead of the step before's. */
  readonly from: string | undefined;
  /** The name its value is stored under. */
  readonly as: string | undefined;
  /** How long its calls took and how they ended, over all devices. */
  readonly count: StepCount;
}

export interface StepCount {
  calls: number;
  totalMs: number;
}

/** The way of one device's events through the steps: in order, whatever takes its time. */
export interface Lane {
  /** Never rejects: what goes wrong with an event is its outcome. */
  process(event: FlowEvent, tracer?: Tracer): Promise<EventOutcome<Result>>;
  readonly inFlight: number;
  /** State worth keeping by step place; empty where no step has any. */
  snapshot(): Record<string, unknown>;
}

/**
 * Values of one event that may be inside a step without state at the same time, such as the windows
 * of a long clip: two full batches, so that the workers never wait for the lane.
 */
const STARTED_MAX = 64;

const DONE = { kind: 'done' } as const;

const TIMING_OF: Record<Phase, keyof Timing> = {
  decode: 'decodeMs',
  preprocess: 'preprocessMs',
  infer: 'inferMs',
  postprocess: 'postprocessMs',
  publish: 'postprocessMs',
};

/** One event in the lane: done when none of its values is on the way any more. */
interface Run {
  readonly event: FlowEvent;
  readonly results: Result[];
  readonly tracer: Tracer | undefined;
  pending: number;
  finish(outcome: EventOutcome<Result>): void;
  end: EventOutcome<Result>['end'];
}

/** One value on its way; `named` is what the steps before stored. */
interface Traveller {
  readonly run: Run;
  value: Value;
  named: ReadonlyMap<string, Value> | undefined;
  /** The rung that it went to, of the last model. */
  model: ModelIdentity | undefined;
}

/** Travellers at a step that takes its time, in order; the first goes on as soon as it can. */
interface Gate {
  readonly queue: Waiting[];
  started: number;
}

interface Waiting {
  readonly traveller: Traveller;
  ended: Outcome | LedgeError | 'not started' | 'running';
}

export interface LaneState {
  /** What the lane of this device kept before, by step place. */
  restore: Readonly<Record<string, unknown>>;
  /** Told where a kept state does not fit its step any more. */
  onStateRefused(place: string, error: unknown): void;
}

/** Opens the steps for one device. `shared` steps are one for all lanes of a plan. */
export function openLane(
  steps: readonly PlanStep[],
  shared: readonly (Step | undefined)[],
  state: LaneState,
): Lane {
  const opened = steps.map((step, place) => shared[place] ?? openStep(step, place, state));
  const gates: (Gate | undefined)[] = steps.map(() => undefined);
  const modelPlace = steps.findLastIndex(({ compiled }) => compiled.model !== undefined);
  let inFlight = 0;

  function process(event: FlowEvent, tracer?: Tracer): Promise<EventOutcome<Result>> {
    return new Promise((resolve) => {
      inFlight += 1;
      const finish = (outcome: EventOutcome<Result>) => {
        inFlight -= 1;
        resolve(outcome);
      };
      const run: Run = { event, results: [], tracer, pending: 1, finish, end: DONE };
      const value: Value = { kind: 'bytes', bytes: event.payload };
      advance({ run, value, named: undefined, model: undefined }, 0);
    });
  }

  /** Takes a value through the steps until it ends or has to wait. */
  function advance(traveller: Traveller, first: number): void {
    for (let place = first; place < steps.length; place += 1) {
      const gate = gates[place];
      if (gate !== undefined && gate.queue.length > 0) return enter(traveller, place, gate);
      const outcome = callStep(traveller, place);
      if (outcome instanceof Promise) return wait(traveller, place, outcome);
      if (!settle(traveller, place, outcome)) return;
    }
    arrive(traveller);
  }

  /** Runs one step; what it throws is the value's end. */
  function callStep(traveller: Traveller, place: number): ReturnType<Step['run']> | LedgeError {
    const step = steps[place] as PlanStep;
    const { run } = traveller;
    let startedMs = performance.now();
    try {
      const input = step.from === undefined ? traveller.value : traveller.named?.get(step.from);
      if (input === undefined) throw new LedgeError('internal', `no value named ${step.from}`);
      const context: StepContext = {
        event: run.event,
        named: (name) => traveller.named?.get(name),
        holds: (buffer) => holdsBuffer(traveller, buffer),
        waited(milliseconds) {
          startedMs += milliseconds;
          run.event.timing.queueMs += milliseconds;
        },
      };
      const outcome = (opened[place] as Step).run(input, context);
      if (!(outcome instanceof Promise)) {
        book(run, place, startedMs, outcome);
        return outcome;
      }
      return outcome.then((ended) => {
        book(run, place, startedMs, ended);
        return ended;
      });
    } catch (error) {
      book(run, place, startedMs, undefined);
      return toLedgeError(error);
    }
  }

  function book(run: Run, place: number, startedMs: number, outcome: Outcome | undefined): void {
    const step = steps[place] as PlanStep;
    const tookMs = performance.now() - startedMs;
    run.event.timing[TIMING_OF[step.phase]] += tookMs;
    step.count.calls += 1;
    step.count.totalMs += tookMs;
    if (run.tracer === undefined || outcome === undefined) return;
    const { stage, phase } = step;
    const output = describeOutcome(outcome);
    run.tracer({ step: place, stage, phase, tookMs, outcome: outcome.kind, output });
  }

  /** Acts on what a step gave. True: the value goes on to the next step. */
  function settle(traveller: Traveller, place: number, ended: Outcome | LedgeError): boolean {
    const { run } = traveller;
    if (ended instanceof LedgeError) {
      run.end = { kind: 'fail', error: ended };
      leave(run);
      return false;
    }
    if (ended.kind === 'emit') {
      if (ended.model !== undefined && place === modelPlace) traveller.model = ended.model;
      store(traveller, place, ended.value);
      return true;
    }
    if (ended.kind === 'emit-many') {
      run.pending += ended.values.length;
      for (const value of ended.values) {
        const child: Traveller = { run, value, named: traveller.named, model: traveller.model };
        store(child, place, value);
        advance(child, place + 1);
      }
    }
    if (ended.kind === 'drop' && run.end.kind === 'done') run.end = ended;
    leave(run);
    return false;
  }

  function store(traveller: Traveller, place: number, value: Value): void {
    traveller.value = value;
    const name = (steps[place] as PlanStep).as;
    if (name !== undefined) traveller.named = new Map(traveller.named).set(name, value);
  }

  /** A step answered with a promise: the value waits at its gate, and later ones behind it. */
  function wait(traveller: Traveller, place: number, outcome: Promise<Outcome>): void {
    const gate: Gate = gates[place] ?? { queue: [], started: 0 };
    gates[place] = gate;
    const waiting: Waiting = { traveller, ended: 'running' };
    gate.queue.push(waiting);
    follow(waiting, place, outcome);
  }

  function follow(waiting: Waiting, place: number, outcome: Promise<Outcome>): void {
    const gate = gates[place] as Gate;
    gate.started += 1;
    const finish = (ended: Outcome | LedgeError) => {
      gate.started -= 1;
      waiting.ended = ended;
      release(place, gate);
    };
    outcome.then(finish, (error) => finish(toLedgeError(error)));
  }

  /** Joins the queue of a gate, and starts at once where the step allows several at a time. */
  function enter(traveller: Traveller, place: number, gate: Gate): void {
    gate.queue.push({ traveller, ended: 'not started' });
    start(place, gate);
  }

  function start(place: number, gate: Gate): void {
    const startedMax = (steps[place] as PlanStep).compiled.scope === 'device' ? 1 : STARTED_MAX;
    for (const waiting of gate.queue) {
      if (gate.started >= startedMax) return;
      if (waiting.ended !== 'not started') continue;
      // A step with state must not run before the one ahead has gone on.
      if (startedMax === 1 && waiting !== gate.queue[0]) return;
      const outcome = callStep(waiting.traveller, place);
      if (outcome instanceof Promise) {
        waiting.ended = 'running';
        follow(waiting, place, outcome);
      } else waiting.ended = outcome;
    }
  }

  /** Lets go on whoever stands first and is ready; then starts whoever may start now. */
  function release(place: number, gate: Gate): void {
    for (let first = gate.queue[0]; first !== undefined; first = gate.queue[0]) {
      if (first.ended === 'not started') start(place, gate);
      if (first.ended === 'not started' || first.ended === 'running') break;
      gate.queue.shift();
      if (settle(first.traveller, place, first.ended)) advance(first.traveller, place + 1);
    }
    start(place, gate);
  }

  return {
    process,
    get inFlight() {
      return inFlight;
    },
    snapshot() {
      const kept: Record<string, unknown> = {};
      steps.forEach((step, place) => {
        const state = opened[place]?.snapshot?.();
        if (state !== undefined) kept[placeName(step, place)] = state;
      });
      return kept;
    },
  };
}

/** Whether the dead letter or a later step may read this buffer, beside the step at work. */
function holdsBuffer({ run, named }: Traveller, buffer: ArrayBufferLike): boolean {
  if (run.event.payload.buffer === buffer) return true;
  for (const value of named?.values() ?? []) {
    if (value.kind === 'tensor' && value.data.buffer === buffer) return true;
    if (value.kind !== 'tensors') continue;
    if (Object.values(value.tensors).some(({ data }) => data.buffer === buffer)) return true;
  }
  return false;
}

/** A value came to the end of the steps. */
function arrive({ run, value, model }: Traveller): void {
  if (value.kind === 'result') run.results.push(model === undefined ? value : { ...value, model });
  leave(run);
}

/** A drop counts for an event only where no part of it gave a result. */
function leave(run: Run): void {
  run.pending -= 1;
  if (run.pending > 0) return;
  const { event, results, end } = run;
  run.finish({ event, results, end: end.kind === 'drop' && results.length > 0 ? DONE : end });
}

function openStep(step: PlanStep, place: number, state: LaneState): Step {
  const opened = step.compiled.open();
  const name = placeName(step, place);
  const kept = state.restore[name];
  if (kept === undefined || opened.restore === undefined) return opened;
  try {
    opened.restore(kept);
    return opened;
  } catch (error) {
    state.onStateRefused(name, error);
    return step.compiled.open();
  }
}

/** The name under which a step's state is kept: stable as long as the steps before it stay. */
function placeName(step: PlanStep, place: number): string {
  return `${place}-${step.stage}`;
}
