import type { Priority } from '../std/priority.ts';
import type { z } from '../std/schema.ts';
import type { DropReason, FlowEvent } from './event.ts';
import type { StepLadder } from './ladder.ts';
import type { Value, ValueType } from './value.ts';

/** The part of an event's way that a stage belongs to, and that its time is booked on. */
export type Phase = 'decode' | 'preprocess' | 'infer' | 'postprocess' | 'publish';

/** What one step says of one value. A step may also throw a LedgeError: the event fails with it. */
export type Outcome =
  /** `model`: which of its models gave the value, where the step has several. */
  | { readonly kind: 'emit'; readonly value: Value; readonly model?: ModelIdentity | undefined }
  | { readonly kind: 'emit-many'; readonly values: readonly Value[] } // each goes on alone
  | { readonly kind: 'hold' } // the step keeps what it needs; nothing goes on
  | { readonly kind: 'drop'; readonly reason: DropReason };

export const HOLD: Outcome = { kind: 'hold' };

/** One value goes on. */
export function emit(value: Value, model?: ModelIdentity): Outcome {
  return { kind: 'emit', value, model };
}

/** What a step may look at beside its input. */
export interface StepContext {
  readonly event: FlowEvent;
  /** The value that an earlier step stored under `as: name`; undefined where no such step ran. */
  named(name: string): Value | undefined;
  /** Whether the flow may still need this buffer: of the event's payload, or of a stored value. */
  holds?(buffer: ArrayBufferLike): boolean;
  /** Says that so much of this step's time was spent waiting in a queue, not at work. */
  waited?(milliseconds: number): void;
}

/**
 * A stage at work. It does no IO, no logging, no timers, and takes the time from `context.event.ts`.
 * A promise is allowed for work that is not JavaScript's (pixels, inference); the flow keeps the order.
 */
export interface Step {
  run(value: Value, context: StepContext): Outcome | Promise<Outcome>;
  /** State worth keeping over a restart, as JSON values; undefined where nothing is worth it yet. */
  snapshot?(): unknown;
  /** Takes back what `snapshot` gave. Throws where it does not parse: the step then starts afresh. */
  restore?(state: unknown): void;
}

/** One step of a flow, checked against the type of its input, ready to be opened. */
export interface CompiledStep {
  readonly output: ValueType;
  /**
   * `shared`: no state, one step serves every device. `device`: one step per device, its calls one
   * after the other: where `run` gives a promise, the device's next value waits for it.
   */
  readonly scope: 'shared' | 'device';
  open(): Step;
  /** The model whose name the results carry; with a ladder, the rung at work. */
  readonly model?: ModelIdentity;
  /** Its variants, where it can do with less. */
  readonly ladder?: StepLadder | undefined;
  /** Bytes this step needs for as long as the flow lives: weights, activations, tables. */
  readonly memoryBytes?: number;
  /** What it counts beside calls and time, over all devices; told on bridge/health. */
  readonly figures?: Readonly<Record<string, number>>;
  /** Gives back what `create` took. */
  close?(): Promise<void>;
}

export interface ModelIdentity {
  readonly name: string;
  readonly version: string;
  readonly precision: string;
  /** Which rung of its ladder; undefined where the model has none. */
  readonly rung?: string;
}

/** What a stage knows of the flow when it is compiled. */
export interface StageContext {
  readonly input: ValueType;
  /** The type of the value that an earlier step stores under this name. */
  named(name: string): ValueType | undefined;
  readonly flow: string;
  /** The flow's folder, absolute: models and labels are found beside flow.yaml. */
  readonly folder: string;
  readonly priority: Priority;
}

/** A kind of step: what may be written in a flow file under its name. */
export interface Stage<Config = unknown> {
  readonly kind: string;
  readonly phase: Phase;
  /** One sentence for the reference pages. */
  readonly summary: string;
  readonly schema: z.ZodType<Config>;
  /** Throws FieldError where the configuration or the input's type does not fit. */
  create(config: Config, context: StageContext): CompiledStep | Promise<CompiledStep>;
}

/** The same stage with its configuration's type forgotten, as a registry holds it. */
export function defineStage<Config>(stage: Stage<Config>): Stage {
  return stage as unknown as Stage;
}

/** A step's configuration that does not fit: `field` is relative to the step, '' for its input. */
export class FieldError extends Error {
  readonly field: string;
  readonly value: unknown;
  readonly expected: string;

  constructor(field: string, value: unknown, expected: string) {
    super(`${field || 'input'} is ${JSON.stringify(value) ?? 'missing'}, expected ${expected}`);
    this.name = 'FieldError';
    this.field = field;
    this.value = value;
    this.expected = expected;
  }
}
