import { randomUUID } from 'node:crypto';
import type { Clock } from '../../std/clock.ts';
import type { Gate } from './gate.ts';
import type { Outlet } from './outlet.ts';

/** Where something is said. */
export interface SpeechPlace {
  readonly site: string;
  readonly siteId: string;
  readonly sessionId: string;
  readonly lang: string;
}

/** Has text spoken by whoever does text to speech. */
export interface Speech {
  /** Resolves when it was spoken, or after the time limit. */
  say(text: string, place: SpeechPlace): Promise<void>;
  finished(id: string | null): void;
  close(): void;
}

export interface SpeechOptions {
  readonly outlet: Outlet;
  readonly clock: Clock;
  readonly waitMs: number;
  /** What must not hear the node's own voice. */
  readonly hotword: Gate;
  readonly asr: Gate;
}

const REASON = 'ttsSay';

/** Says `hermes/tts/say` and waits for `sayFinished`, with waking and listening off meanwhile. */
export function createSpeech({ outlet, clock, waitMs, hotword, asr }: SpeechOptions): Speech {
  const waiting = new Map<string, () => void>();

  async function say(text: string, place: SpeechPlace): Promise<void> {
    const { site, siteId, sessionId, lang } = place;
    const id = randomUUID();
    const finished = new Promise<void>((resolve) => {
      const cancel = clock.after(waitMs, resolve);
      waiting.set(id, () => {
        cancel();
        resolve();
      });
    });
    hotword.off(site, REASON);
    asr.off(site, REASON);
    outlet.say('hotword/toggleOff', { siteId, reason: REASON });
    outlet.say('asr/toggleOff', { siteId, reason: REASON });
    outlet.say('tts/say', { text, siteId, lang, id, sessionId, volume: 1 });
    await finished;
    waiting.delete(id);
    outlet.say('hotword/toggleOn', { siteId, reason: REASON });
    outlet.say('asr/toggleOn', { siteId, reason: REASON });
    hotword.on(site, REASON);
    asr.on(site, REASON);
  }

  return {
    say,
    finished(id) {
      if (id !== null) waiting.get(id)?.();
    },
    close() {
      for (const end of waiting.values()) end();
    },
  };
}
