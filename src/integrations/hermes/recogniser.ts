import type { Clock } from '../../std/clock.ts';
import { LedgeError } from '../../std/error.ts';
import type { Ears, Heard } from './ears.ts';
import type { Gate } from './gate.ts';
import type { Incoming } from './messages.ts';
import type { Outlet } from './outlet.ts';
import { tokensOf } from './sentences.ts';
import type { SiteNames } from './site-names.ts';

/** A dialogue manager asks for the words of a wake within this, or does not want them. */
const CLAIM_MS_MAX = 5_000;

/** One time of listening. */
export interface Utterance {
  readonly siteId: string;
  readonly site: string;
  readonly sessionId: string | null;
  readonly wakewordId: string | null;
  readonly lang: string | null;
  /** Called after the words were told. */
  readonly done: (heard: Heard) => void;
}

/** The `asr` component: listens for the dialogue manager, this node's or another. */
export interface Recogniser {
  /** Listens for a session of this node's dialogue; `voiceId` is the session that a wake word opened. */
  begin(utterance: Utterance, voiceId?: string): void;
  /** Stops what `begin` began. */
  stop(site: string): void;
  /** A wake word opened a voice session, and another dialogue manager may ask for its words. */
  offer(site: string, voiceId: string): void;
  startListening(message: Incoming<'hermes/asr/startListening'>): void;
  stopListening(message: Incoming<'hermes/asr/stopListening'>): void;
  /** Listening was switched on at a site. */
  switchedOn(site: string): void;
}

export interface RecogniserOptions {
  readonly ears: Ears;
  readonly outlet: Outlet;
  readonly clock: Clock;
  readonly names: SiteNames;
  /** What switches listening off. */
  readonly gate: Gate;
  readonly language: string;
  readonly sitesMax: number;
}

type Active = { readonly owner: 'dialogue' | 'outside'; readonly utterance: Utterance };
/** Words of a wake that nobody has asked for. */
interface Offered {
  heard: Heard | undefined;
  cancel: () => void;
}

/** Creates the component; it listens at up to `sitesMax` sites at once. */
export function createRecogniser(options: RecogniserOptions): Recogniser {
  const { ears, outlet, clock, names, gate } = options;
  const active = new Map<string, Active>();
  const offered = new Map<string, Offered>();
  const waiting = new Map<string, () => void>();

  function told(current: Active, heard: Heard): void {
    const { utterance, owner } = current;
    if (active.get(utterance.site) !== current) return;
    active.delete(utterance.site);
    if (heard.kind === 'words') {
      const { problem } = heard;
      const text = `Cannot hear "${utterance.siteId}": ${problem}`;
      if (problem !== undefined) fail(utterance, new LedgeError('unavailable', text));
      tellWords(utterance, heard);
    }
    if (heard.kind === 'failed') fail(utterance, heard.error);
    if (heard.kind === 'cancelled' && owner === 'outside') tellWords(utterance, NOTHING);
    utterance.done(heard);
  }

  function tellWords(utterance: Utterance, words: Words): void {
    const { siteId, sessionId, wakewordId } = utterance;
    const { text, likelihood, seconds } = words;
    const asrTokens = tokensOf(text, likelihood);
    const lang = utterance.lang ?? options.language;
    const which = { siteId, sessionId, wakewordId, asrTokens, lang };
    outlet.say('asr/textCaptured', { text, likelihood, seconds, ...which });
  }

  function fail({ siteId, sessionId }: Utterance, error: unknown): void {
    outlet.fail(error, { component: 'asr', siteId, sessionId, context: 'startListening' });
  }

  function open(current: Active, voiceId: string | undefined): void {
    const { site } = current.utterance;
    const before = active.get(site);
    active.delete(site);
    if (before?.owner === 'outside') tellWords(before.utterance, NOTHING);
    active.set(site, current);
    const listener = (heard: Heard): void => told(current, heard);
    if (voiceId !== undefined) {
      ears.adopt(site, voiceId, listener);
      return;
    }
    ears.stop(site);
    if (gate.isOff(site)) waiting.set(site, () => ears.listen(site, listener));
    else ears.listen(site, listener);
  }

  function drop(site: string): void {
    active.delete(site);
    waiting.delete(site);
    withdraw(site);
    ears.stop(site);
  }

  function withdraw(site: string): Offered | undefined {
    const offer = offered.get(site);
    offer?.cancel();
    offered.delete(site);
    return offer;
  }

  function claim(offer: Offered, utterance: Utterance): void {
    const current: Active = { owner: 'outside', utterance };
    active.set(utterance.site, current);
    if (offer.heard !== undefined) told(current, offer.heard);
  }

  return {
    begin: (utterance, voiceId) => open({ owner: 'dialogue', utterance }, voiceId),
    stop(site) {
      if (active.get(site)?.owner !== 'outside') drop(site);
    },
    offer(site, voiceId) {
      drop(site);
      const offer: Offered = { heard: undefined, cancel: () => undefined };
      offered.set(site, offer);
      ears.adopt(site, voiceId, (heard) => {
        const current = active.get(site);
        if (current !== undefined) {
          told(current, heard);
        } else if (offered.get(site) === offer) {
          offer.heard = heard;
          offer.cancel = clock.after(CLAIM_MS_MAX, () => offered.delete(site));
        }
      });
    },
    startListening({ siteId, sessionId, wakewordId, lang }) {
      const site = names.siteOf(siteId);
      const nobody = (): void => undefined;
      const utterance = { siteId, site, sessionId, wakewordId, lang, done: nobody };
      const before = active.get(site);
      if (before?.owner === 'dialogue') {
        if (before.utterance.sessionId === sessionId) return;
        const text = `Cannot listen at "${siteId}": a session of this node listens there`;
        fail(utterance, new LedgeError('unavailable', text, { retriable: true }));
        return;
      }
      const offer = withdraw(site);
      if (offer !== undefined && before === undefined) {
        claim(offer, utterance);
      } else if (before === undefined && active.size >= options.sitesMax) {
        const text = `Cannot listen at "${siteId}": ${options.sitesMax} sites listen already`;
        fail(utterance, new LedgeError('overflow', text, { retriable: true }));
      } else {
        open({ owner: 'outside', utterance }, undefined);
      }
    },
    stopListening({ siteId, sessionId }) {
      const site = names.siteOf(siteId);
      const current = active.get(site);
      if (current === undefined) return;
      const { utterance } = current;
      if (sessionId !== null && utterance.sessionId !== sessionId) return;
      waiting.delete(site);
      ears.stop(site);
      told(current, NOTHING);
    },
    switchedOn(site) {
      const listen = waiting.get(site);
      waiting.delete(site);
      listen?.();
    },
  };
}

type Words = Extract<Heard, { kind: 'words' }>;

const NOTHING: Words = { kind: 'words', text: '', likelihood: 0, seconds: 0 };
