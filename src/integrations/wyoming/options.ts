import type { Bus } from '../../bus/bus.ts';
import type { Clock } from '../../std/clock.ts';
import type { IntentRules } from '../intents.ts';

/** The field `wyoming` of the configuration. */
export interface WyomingConfig {
  readonly host: string;
  readonly port: number;
  /** Absent: on, unless only this machine can connect. */
  readonly zeroconf?: 'on' | 'off' | undefined;
  readonly activityFlow: string;
  readonly wakeFlow: string;
  readonly commandFlow: string;
  readonly languages: readonly string[];
  /** Below it a command counts as not understood. */
  readonly scoreMin: number;
  readonly intents?: IntentRules | undefined;
  readonly limits: {
    readonly connectionsMax: number;
    readonly clipSecondsMax: number;
    readonly idleSeconds: number;
    readonly answerSeconds: number;
  };
}

/** A flow that runs, as far as a client may want to know. */
export interface VoiceFlow {
  /** What its results are called; undefined where the flow does not say. */
  readonly labels: readonly string[] | undefined;
}

/** What the server needs of the node. */
export interface WyomingParts {
  readonly bus: Bus;
  /** `ledge/<node>`. */
  readonly base: string;
  readonly version: string;
  readonly clock: Clock;
  readonly log: {
    debug(message: string, fields?: Readonly<Record<string, unknown>>): void;
    info(message: string, fields?: Readonly<Record<string, unknown>>): void;
    warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  };
  /** The flow of this name where it runs. */
  flowOf(name: string): VoiceFlow | undefined;
}
