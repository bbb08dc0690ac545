import { randomUUID } from 'node:crypto';
import type { Clock } from '../../std/clock.ts';
import type { VoiceEvent, VoiceLink } from './voice-link.ts';

/** A voice session that has told its command ends at once; a new one is asked for after that. */
const END_MS_MAX = 1_000;

/** What came of listening once. */
export type Heard =
  | {
      readonly kind: 'words';
      /** Empty: nothing that is known was said. */
      readonly text: string;
      readonly likelihood: number;
      readonly seconds: number;
      readonly intent?: Extract<VoiceEvent, { type: 'command' }>['intent'];
    }
  | { readonly kind: 'cancelled' }
  | { readonly kind: 'failed'; readonly error: unknown };

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

interface Ending {
  readonly voiceId: string;
  readonly over: Promise<void>;
  done(): void;
}

/** Listens at one thing a site; what begins ends what was before, without a word to its listener. */
export function createEars(link: Pick<VoiceLink, 'listen' | 'cancel'>, clock: Clock): Ears {
  const sites = new Map<string, Listening>();
  const ending = new Map<string, Ending>();

  /** The voice session of a site has told its outcome: its end follows. */
  function expectEnd(site: string, voiceId: string): void {
    let done: () => void = () => undefined;
    const over = new Promise<void>((resolve) => {
      const cancel = clock.after(END_MS_MAX, () => done());
      done = () => {
        cancel();
        if (ending.get(site)?.voiceId === voiceId) ending.delete(site);
        resolve();
      };
    });
    ending.set(site, { voiceId, over, done });
  }

  function end(site: string, listening: Listening, heard: Heard): void {
    if (sites.get(site) !== listening) return;
    sites.delete(site);
    listening.listener(heard);
  }

  async function open(site: string, listening: Listening, requestId: string): Promise<void> {
    try {
      await ending.get(site)?.over;
      if (sites.get(site) !== listening) return;
      const voiceId = await link.listen(site, requestId);
      if (sites.get(site) === listening) listening.voiceId = voiceId;
      else if (!sites.has(site)) link.cancel(site); // stopped meanwhile
    } catch (error) {
      end(site, listening, { kind: 'failed', error });
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
      const last = ending.get(event.site);
      if (event.type === 'session-ended' && event.sessionId === last?.voiceId) last.done();
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
      if (event.type !== 'session-ended') expectEnd(event.site, event.sessionId);
      end(event.site, listening, heardOf(event));
    },
  };
}

function heardOf(event: Exclude<VoiceEvent, { type: 'session-started' }>): Heard {
  if (event.type === 'session-ended') return { kind: 'cancelled' };
  if (event.type === 'not-recognised') {
    return { kind: 'words', text: '', likelihood: 0, seconds: 0 };
  }
  const { text, score, seconds, intent } = event;
  return { kind: 'words', text, likelihood: score, seconds, intent };
}
