import { randomUUID } from 'node:crypto';
import type { Clock } from '../../std/clock.ts';
import { toLedgeError } from '../../std/error.ts';
import type { VoiceEvent, VoiceLink } from './voice-link.ts';

/** A satellite that sends no sound until it is listened to is known to the node after its first. */
const TRIES = 5;
const TRY_AGAIN_MS = 300;

/** What came of listening once. */
export type Heard =
  | {
      readonly kind: 'words';
      /** Empty: nothing that is known was said. */
      readonly text: string;
      readonly likelihood: number;
      readonly seconds: number;
      readonly intent?: Command['intent'];
      /** What is said back where the node carries it out itself. */
      readonly response?: string | undefined;
      /** Why nothing could be heard, where that is nobody's silence. */
      readonly problem?: string | undefined;
    }
  | { readonly kind: 'cancelled' }
  | { readonly kind: 'failed'; readonly error: unknown };

type Command = Extract<VoiceEvent, { type: 'command' }>;
type Listener = (heard: Heard) => void;

/** Listens at the sites of the node, through its voice sessions. */
export interface Ears {
  /** Opens a voice session. The listener is called once, unless `stop` comes first. */
  listen(site: string, listener: Listener): void;
  /** Takes over a voice session that a wake word opened. */
  adopt(site: string, voiceId: string, listener: Listener): void;
  /** Stops listening at a site, and ends its voice session. */
  stop(site: string): void;
  has(site: string): boolean;
  take(event: VoiceEvent): void;
}

interface Listening {
  readonly requestId: string | undefined;
  readonly listener: Listener;
  voiceId: string | undefined;
}

/** Listens at one thing a site; what begins ends what was before, without a word to its listener. */
export function createEars(link: Pick<VoiceLink, 'listen' | 'cancel'>, clock: Clock): Ears {
  const sites = new Map<string, Listening>();

  function end(site: string, listening: Listening, heard: Heard): void {
    if (sites.get(site) !== listening) return;
    sites.delete(site);
    listening.listener(heard);
  }

  async function open(site: string, listening: Listening, requestId: string): Promise<void> {
    for (let left = TRIES - 1; sites.get(site) === listening; left--) {
      try {
        const voiceId = await link.listen(site, requestId);
        if (sites.get(site) === listening) listening.voiceId = voiceId;
        else if (!sites.has(site)) link.cancel(site); // stopped meanwhile
        return;
      } catch (error) {
        const { retriable } = toLedgeError(error);
        if (!retriable || left === 0) return end(site, listening, { kind: 'failed', error });
        await new Promise<void>((resolve) => clock.after(TRY_AGAIN_MS, resolve));
      }
    }
  }

  return {
    listen(site, listener) {
      const requestId = randomUUID();
      const listening: Listening = { requestId, listener, voiceId: undefined };
      sites.set(site, listening);
      void open(site, listening, requestId);
    },
    adopt(site, voiceId, listener) {
      sites.set(site, { requestId: undefined, listener, voiceId });
    },
    stop(site) {
      const listening = sites.get(site);
      sites.delete(site);
      if (listening?.voiceId !== undefined) link.cancel(site);
    },
    has: (site) => sites.has(site),
    take(event) {
      const listening = sites.get(event.site);
      if (listening === undefined) return;
      if (event.type === 'session-started') {
        if (event.requestId !== undefined && event.requestId === listening.requestId) {
          listening.voiceId = event.sessionId;
        } else if (listening.voiceId !== undefined && listening.voiceId !== event.sessionId) {
          end(event.site, listening, { kind: 'cancelled' }); // another session took its place
        }
        return;
      }
      if (event.sessionId !== listening.voiceId) return;
      end(event.site, listening, heardOf(event));
    },
  };
}

function heardOf(event: Exclude<VoiceEvent, { type: 'session-started' }>): Heard {
  if (event.type === 'session-ended') return { kind: 'cancelled' };
  if (event.type === 'not-recognised') {
    const problem = PROBLEMS.has(event.reason) ? event.reason : undefined;
    return { kind: 'words', text: '', likelihood: 0, seconds: 0, problem };
  }
  const { text, score, seconds, intent, response } = event;
  return { kind: 'words', text, likelihood: score, seconds, intent, response };
}

const PROBLEMS: ReadonlySet<string> = new Set(['audio-lost', 'failed']);
