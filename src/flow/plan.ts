import type { Priority } from '../std/priority.ts';
import type { EventOutcome, FlowEvent } from './event.ts';
import { type Lane, openLane, type PlanStep } from './lane.ts';
import type { Tracer } from './observe.ts';
import type { FlowCase, FlowSink } from './schema.ts';
import type { ModelIdentity, Step } from './stage.ts';
import type { StateStore } from './state.ts';
import type { Result, ResultKind } from './value.ts';

/** What every result of a flow has in common, known before the first event. */
export interface PlanOutput {
  readonly of: ResultKind;
  readonly labels: readonly string[] | undefined;
}

/** What is left of a flow file once everything in it has been checked. */
export interface PlanParts {
  readonly name: string;
  readonly description: string;
  readonly priority: Priority;
  readonly devicesMax: number;
  readonly inFlightMax: number;
  readonly steps: readonly PlanStep[];
  readonly output: PlanOutput;
  readonly sink: FlowSink;
  readonly tests: readonly FlowCase[];
}

/** A flow ready to run: its steps checked against each other, its devices' lanes opened as they come. */
export interface Plan extends PlanParts {
  /** Of the last step that has one, as it is now. */
  readonly model: ModelIdentity | undefined;
  readonly memoryBytes: number;
  /** Runs one event; events of one device keep their order. Never rejects. */
  process(event: FlowEvent, tracer?: Tracer): Promise<EventOutcome<Result>>;
  /** The devices seen, the one idle longest first. */
  readonly devices: Iterable<string>;
  readonly deviceCount: number;
  /** Events that are between two steps or inside one. */
  readonly inFlight: number;
  /** Forgets what was learned of one device, or of all. Gives how many devices were forgotten. */
  forget(device?: string): number;
  /** Hands the devices' state to the store, so that a restart or another plan goes on with it. */
  save(): void;
  /** Gives the models back. Events must have ended. Idempotent. */
  close(): Promise<void>;
}

/** Puts checked parts to work. */
export function createPlan(parts: PlanParts, state: StateStore): Plan {
  const { steps } = parts;
  const shared = steps.map(({ compiled }): Step | undefined =>
    compiled.scope === 'shared' ? compiled.open() : undefined,
  );
  const lanes = new Map<string, Lane>();
  const last = steps.findLast(({ compiled }) => compiled.model !== undefined);
  let closing: Promise<void> | undefined;

  function laneOf(device: string): Lane {
    const known = lanes.get(device);
    if (known !== undefined) {
      lanes.delete(device);
      lanes.set(device, known);
      return known;
    }
    if (lanes.size >= parts.devicesMax) evict();
    const lane = openLane(steps, shared, {
      restore: state.load(device),
      onStateRefused: (place, error) => state.refuse(device, place, error),
    });
    lanes.set(device, lane);
    return lane;
  }

  /** The device idle longest gives way; what it learned stays in the store. */
  function evict(): void {
    for (const [device, lane] of lanes) {
      if (lane.inFlight > 0) continue;
      state.save(device, lane.snapshot());
      lanes.delete(device);
      return;
    }
  }

  return {
    ...parts,
    get model() {
      return last?.compiled.model;
    },
    get memoryBytes() {
      return steps.reduce((sum, { compiled }) => sum + (compiled.memoryBytes ?? 0), 0);
    },
    process: (event, tracer) => laneOf(event.device).process(event, tracer),
    get devices() {
      return lanes.keys();
    },
    get deviceCount() {
      return lanes.size;
    },
    get inFlight() {
      let sum = 0;
      for (const lane of lanes.values()) sum += lane.inFlight;
      return sum;
    },
    forget(device) {
      const forgotten =
        device === undefined ? [...lanes.keys()] : lanes.has(device) ? [device] : [];
      for (const name of forgotten) lanes.delete(name);
      return Math.max(state.forget(device), forgotten.length);
    },
    save() {
      for (const [device, lane] of lanes) state.save(device, lane.snapshot());
    },
    close() {
      closing ??= closeSteps(steps);
      return closing;
    },
  };
}

async function closeSteps(steps: readonly PlanStep[]): Promise<void> {
  for (const { compiled } of [...steps].reverse()) await compiled.close?.();
}
