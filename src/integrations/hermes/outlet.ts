import type { Bus } from '../../bus/bus.ts';
import { matches } from '../../bus/filter.ts';
import { topicProblem } from '../../bus/topics.ts';
import type { Clock } from '../../std/clock.ts';
import { toLedgeError } from '../../std/error.ts';
import { createOwnEchoes, type OwnEchoes } from './own-echoes.ts';

/** One error of each component goes out in this time: bad messages must not make a flood. */
const ERROR_PAUSE_MS = 1_000;
/** Error texts name what was wrong, not all of it. */
const ERROR_LENGTH_MAX = 500;

/** Where an error belongs. */
export interface ErrorPlace {
  readonly component: string;
  readonly siteId?: string;
  readonly sessionId?: string | null;
  readonly context?: string;
}

/** Everything that this integration says. */
export interface Outlet {
  /** Publishes JSON on `hermes/<path>`, in order; a failure is told in the log. */
  say(path: string, body: Readonly<Record<string, unknown>>): void;
  /** Tells an error on `hermes/error/<component>`, at most once a second for each component. */
  fail(thrown: unknown, place: ErrorPlace): void;
  /** Whether a message that came is one of these. */
  isOwn: OwnEchoes['take'];
}

export interface OutletOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: { debug(message: string, fields?: Readonly<Record<string, unknown>>): void };
  /** Filters whose messages come back. */
  readonly filters: readonly string[];
}

/** Creates the way out. */
export function createOutlet({ bus, clock, log, filters }: OutletOptions): Outlet {
  const echoes = createOwnEchoes(() => clock.now());
  const quiet = new Map<string, { until: number; more: number }>();

  function say(path: string, body: Readonly<Record<string, unknown>>): void {
    const topic = `hermes/${path}`;
    const payload = JSON.stringify(body);
    const problem = topicProblem(topic);
    if (problem !== undefined) {
      log.debug('Cannot say in Hermes', { topic, problem });
      return;
    }
    // Sent later it would come back as a stranger's, and what comes late in a dialogue is no help.
    if (bus.state === 'offline') return;
    const comesBack = filters.some((filter) => matches(filter, topic));
    const callOff = comesBack ? echoes.expect(topic, payload) : undefined;
    // QoS 0, as other programs of this protocol send.
    const message = { topic, payload: Buffer.from(payload), qos: 0, retain: false } as const;
    bus.publish(message).catch((error: unknown) => {
      callOff?.();
      log.debug('Cannot say in Hermes', { topic, error: String(error) });
    });
  }

  function fail(thrown: unknown, place: ErrorPlace): void {
    const { component, siteId = 'default', sessionId = null } = place;
    const context = place.context?.slice(0, ERROR_LENGTH_MAX) ?? null;
    const { message } = toLedgeError(thrown);
    const pause = quiet.get(component);
    log.debug('A Hermes message is refused', { component, siteId, error: message });
    if (pause !== undefined && clock.now() < pause.until) {
      pause.more += 1;
      return;
    }
    const unsaid = pause === undefined || pause.more === 0 ? '' : ` (and ${pause.more} before it)`;
    quiet.set(component, { until: clock.now() + ERROR_PAUSE_MS, more: 0 });
    const error = `${message.slice(0, ERROR_LENGTH_MAX)}${unsaid}`;
    say(`error/${component}`, { error, siteId, context, sessionId });
  }

  return { say, fail, isOwn: echoes.take };
}
