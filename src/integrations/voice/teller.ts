import type { Bus } from '../../bus/bus.ts';
import type { Clock } from '../../std/clock.ts';
import {
  createIntents,
  type Intent,
  type IntentRules,
  phraseOf,
  publishMessage,
} from '../intents.ts';
import type { Scored, SessionEnd } from './session.ts';

/** Whose session it is. */
export interface SessionName {
  readonly site: string;
  readonly room: string;
  readonly device: string;
  readonly sessionId: string;
}

/** How a session came about. */
export type SessionStart =
  | { readonly trigger: 'wake'; readonly wake: Scored }
  | { readonly trigger: 'request'; readonly requestId?: string | undefined };

/** Tells everybody of sessions, on `ledge/<node>/voice/<site>`. */
export interface Teller {
  started(name: SessionName, start: SessionStart): void;
  /** What was understood, or why nothing was; then that the session is over. Sends a rule's message. */
  ended(name: SessionName, end: SessionEnd): void;
}

/** Tells by the rules of what commands mean; what cannot be published goes to `failed`. */
export function createTeller(options: {
  readonly bus: Bus;
  readonly base: string;
  readonly clock: Clock;
  readonly intents: IntentRules;
  failed(what: string, error: string): void;
}): Teller {
  const { bus, base, clock, failed } = options;
  const intents = createIntents(options.intents);

  function tell({ site, device, sessionId }: SessionName, type: string, more: object): void {
    const body = { type, site, device, sessionId, ts: clock.now(), ...more };
    bus
      .publish({
        topic: `${base}/voice/${site}`,
        payload: Buffer.from(JSON.stringify(body)),
        qos: 1,
        retain: false,
        properties: { contentType: 'application/json' },
      })
      .catch((error: unknown) => failed(type, String(error)));
  }

  async function send(message: NonNullable<Intent['publish']>): Promise<void> {
    const failure = await publishMessage(bus, message);
    if (failure !== undefined) failed(`the message on ${message.topic}`, failure);
  }

  return {
    started(name, start) {
      if (start.trigger === 'wake') return tell(name, 'session-started', start);
      const { trigger, requestId } = start;
      tell(name, 'session-started', { trigger, ...(requestId !== undefined && { requestId }) });
    },
    ended(name, end) {
      if (end.kind === 'command') {
        const { best, seconds, timing } = end;
        const found = intents.find(best.label, { site: name.site, room: name.room });
        const { intent, response, publish } = found ?? {};
        tell(name, 'command', {
          ...{ text: phraseOf(best.label), label: best.label, score: best.score },
          ...(intent !== undefined && { intent }),
          ...(response !== undefined && { response }),
          ...{ seconds, timing },
        });
        if (publish !== undefined) void send(publish);
      } else if (end.kind === 'not-recognised') {
        const { kind, ...why } = end;
        tell(name, kind, why);
      }
      tell(name, 'session-ended', { reason: end.kind });
    },
  };
}
