import type { Bus } from '../../bus/bus.ts';
import type { Clock } from '../../std/clock.ts';
import type { IntentRules } from '../intents.ts';
import type { LearnedStore } from './not-me.ts';

/** The field `voice` of the configuration. */
export interface VoiceConfig {
  readonly sites: Readonly<
    Record<string, { readonly devices: readonly string[]; readonly room?: string | undefined }>
  >;
  readonly activityFlow: string;
  readonly wakeFlow: string;
  readonly commandFlow: string;
  /** The command's sound begins so long before the wake word was found. */
  readonly prerollMs: number;
  /** Speech that ends so soon after the wake word was found is the rest of that word. */
  readonly wakeTailMs: number;
  readonly endSilenceMs: number;
  readonly nothingSaidMs: number;
  readonly commandMsMax: number;
  readonly refractoryMs: number;
  readonly arbitrationMs: number;
  /** Below it a command counts as not recognised. */
  readonly scoreMin: number;
  readonly intents: IntentRules;
}

/** Answers one request of bridge/request/<name>; what it throws is told to whoever asked. */
export type RequestHandler = (payload: unknown) => unknown;

/** What voice sessions need of the node. */
export interface VoiceParts {
  readonly bus: Bus;
  /** `ledge/<node>`. */
  readonly base: string;
  readonly clock: Clock;
  readonly log: {
    debug(message: string, fields?: Readonly<Record<string, unknown>>): void;
    info(message: string, fields?: Readonly<Record<string, unknown>>): void;
    warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  };
  /** Whether a flow of this name runs. */
  flowRuns(name: string): boolean;
  /** Offers a request; gives how to take it back. */
  offer(request: string, handler: RequestHandler): () => void;
  /** What was learned of each site. */
  readonly learned: LearnedStore;
  /** Folder of clips that were no wake word. */
  readonly clipsFolder: string;
}
