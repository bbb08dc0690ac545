import type { LedgeError } from '../std/error.ts';

/** Where the time of an event went, in milliseconds of the monotonic clock. */
export interface Timing {
  queueMs: number;
  decodeMs: number;
  preprocessMs: number;
  inferMs: number;
  postprocessMs: number;
}

/** One event on its way through one flow. */
export interface FlowEvent {
  readonly id: string;
  readonly device: string;
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly contentType?: string;
  readonly correlationData?: Uint8Array;
  readonly responseTopic?: string;
  /** Arrival on the monotonic clock, milliseconds. */
  readonly receivedAtMs: number;
  /** When the event happened, milliseconds since 1970: its own `ts` where it has one, else arrival. */
  ts: number;
  /**
   * Set by the stage that decodes a sound: `whole` is a clip of its own, `stream` the next part of
   * what the device hears without end. Other payloads are whole and leave it unset.
   */
  part?: 'whole' | 'stream';
  /** The sender's own number of it, 0 to 2^32 - 1, one more for each event of the device. */
  readonly sequence?: number;
  /** It arrived before the node was started, and may have had its result then already. */
  readonly replayed?: true;
  /** On the monotonic clock: after this moment the result is of no use. */
  readonly deadlineAtMs?: number;
  readonly timing: Timing;
}

/** Why an event left a flow without a result and without being at fault. */
export type DropReason =
  | 'expired'
  | 'overflow'
  | 'superseded'
  | 'rate-limited'
  | 'filtered'
  | 'duplicate'
  | 'unpublishable'
  | 'shutdown';

/** How a flow ended for one event. A clip of many windows may have results and still fail. */
export interface EventOutcome<R> {
  readonly event: FlowEvent;
  /** In order; none where the event was held, for a window that is not full. */
  readonly results: readonly R[];
  readonly end:
    | { readonly kind: 'done' }
    | { readonly kind: 'drop'; readonly reason: DropReason }
    | { readonly kind: 'fail'; readonly error: LedgeError };
}
