import type { Protocol } from '../mqtt-frame.ts';
import type { Program } from '../program.ts';

/** What every peer is told: the same model, the same topics, the same broker. */
export interface PeerSettings {
  readonly url: string;
  readonly protocol: Protocol;
  readonly qos: 0 | 1;
  /** The model's file. */
  readonly model: string;
  readonly input: string;
  readonly output: string;
  /** The input's shape without its first dimension. */
  readonly shape: readonly number[];
  /** Filter of the events. */
  readonly events: string;
  /** Results go to this prefix and the device. */
  readonly results: string;
}

/** A peer that is at hand, or why it is not. */
export type PeerStart =
  | { readonly kind: 'started'; readonly version: string; readonly program: Program }
  | { readonly kind: 'absent'; readonly reason: string };
