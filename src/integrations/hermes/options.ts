import type { Bus } from '../../bus/bus.ts';
import type { Clock } from '../../std/clock.ts';
import type { IntentRules } from '../intents.ts';

/** Sites of the node with their devices; without any, the one of the site's own name. */
export type Places = Readonly<
  Record<string, { readonly devices: readonly string[]; readonly room?: string | undefined }>
>;

/** The field `hermes` of the configuration. */
export interface HermesConfig {
  /** The level of `hermes/hotword/<wakewordId>/detected`. */
  readonly wakewordId: string;
  readonly language: string;
  /** false: another program's dialogue manager runs. */
  readonly dialogue: boolean;
  /** Site of the node by siteId of the protocol, where the names differ. */
  readonly sites: Readonly<Record<string, string>>;
  readonly limits: {
    readonly sitesMax: number;
    readonly siteIdleSeconds: number;
    readonly sessionsQueuedMax: number;
    readonly skillSeconds: number;
    readonly sayFinishedSeconds: number;
  };
}

/** What this integration is given of the node. */
export interface HermesParts {
  readonly bus: Bus;
  /** `ledge/<node>`. */
  readonly base: string;
  readonly clock: Clock;
  readonly log: {
    debug(message: string, fields?: Readonly<Record<string, unknown>>): void;
    info(message: string, fields?: Readonly<Record<string, unknown>>): void;
    warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  };
  /** What commands mean, by their words. */
  readonly intents: IntentRules;
  /** Sites as the voice sessions have them: a device that none names is a site of its own. */
  readonly places: Places;
  /** Devices that are microphones of this node: nobody else's sound is taken under their names. */
  readonly microphones: readonly string[];
}
