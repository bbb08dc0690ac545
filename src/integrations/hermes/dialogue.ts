import { randomUUID } from 'node:crypto';
import type { Clock } from '../../std/clock.ts';
import { LedgeError } from '../../std/error.ts';
import type { Heard } from './ears.ts';
import type { Incoming } from './messages.ts';
import type { HermesConfig } from './options.ts';
import type { Outlet } from './outlet.ts';
import type { Recogniser } from './recogniser.ts';
import { createSession, type Session } from './session.ts';
import type { SiteNames } from './site-names.ts';
import type { Speech } from './speech.ts';
import type { Understanding } from './understanding.ts';

/** Why a session ended, in the protocol's words. */
type Reason = 'nominal' | 'abortedByUser' | 'intentNotRecognized' | 'timeout' | 'error';

/** A wake word, heard by this node or by a satellite. */
export interface Waking {
  readonly siteId: string;
  readonly wakewordId: string;
  /** The id that whoever heard it wants. */
  readonly sessionId: string | null;
  readonly lang: string | null;
  /** The voice session that the node opened for it; undefined: a satellite heard it. */
  readonly voiceId: string | undefined;
}

/** The `dialogueManager` component: one session at a time for each site. */
export interface Dialogue {
  wake(waking: Waking): void;
  start(message: Incoming<'hermes/dialogueManager/startSession'>): void;
  continue(message: Incoming<'hermes/dialogueManager/continueSession'>): Promise<void>;
  end(message: Incoming<'hermes/dialogueManager/endSession'>): Promise<void>;
  close(): void;
}

export interface DialogueOptions {
  readonly config: HermesConfig;
  readonly outlet: Outlet;
  readonly clock: Clock;
  readonly names: SiteNames;
  readonly recogniser: Recogniser;
  readonly understanding: Understanding;
  readonly speech: Speech;
}

const BY_DIALOGUE = 'dialogueSession';

/** Runs sessions as the protocol's reference does, each bounded in time. */
export function createDialogue(options: DialogueOptions): Dialogue {
  const { config, outlet, clock, names, recogniser, understanding, speech } = options;
  const { sitesMax, sessionsQueuedMax, skillSeconds } = config.limits;
  const current = new Map<string, Session>();
  const queues = new Map<string, Session[]>();

  /** Begins the next step; gives whether it is still the one that goes on. */
  function nextStep(session: Session): () => boolean {
    session.step += 1;
    const { step } = session;
    session.cancelTimer();
    session.cancelTimer = clock.after(skillSeconds * 1e3, () => finish(session, 'timeout'));
    return () => current.get(session.site) === session && session.step === step;
  }

  async function begin(session: Session): Promise<void> {
    const { id: sessionId, siteId, site, customData, lang, text } = session;
    current.set(site, session);
    const goesOn = nextStep(session);
    outlet.say('dialogueManager/sessionStarted', { siteId, sessionId, customData, lang });
    if (session.kind === 'action') tellHotword('toggleOff', siteId);
    if (text !== null) await say(session, text);
    if (!goesOn()) return;
    if (session.kind === 'notification') finish(session, 'nominal');
    else listen(session);
  }

  /** Speaking has a time limit of its own. */
  async function say(session: Session, text: string): Promise<void> {
    session.cancelTimer();
    const { site, siteId, id: sessionId, lang } = session;
    await speech.say(text, { site, siteId, sessionId, lang });
  }

  function listen(session: Session): void {
    const { id: sessionId, siteId, site, wakewordId, lang, intentFilter } = session;
    const goesOn = nextStep(session);
    outlet.say('asr/startListening', {
      ...{ siteId, sessionId, lang, stopOnSilence: true, sendAudioCaptured: false },
      ...{ wakewordId, intentFilter },
    });
    const done = (heard: Heard): void => {
      if (goesOn()) void take(session, heard);
    };
    recogniser.begin({ siteId, site, sessionId, wakewordId, lang, done }, session.voiceId);
    session.voiceId = undefined;
  }

  async function take(session: Session, heard: Heard): Promise<void> {
    if (heard.kind !== 'words') {
      finish(session, heard.kind === 'failed' ? 'error' : 'abortedByUser');
      return;
    }
    const { id: sessionId, siteId, wakewordId, lang, intentFilter, customData } = session;
    const { text: input, likelihood: confidence, intent, response } = heard;
    const goesOn = nextStep(session);
    outlet.say('asr/stopListening', { siteId, sessionId });
    tellHotword('toggleOn', siteId);
    const asked = { input, intentFilter, siteId, sessionId, id: null, wakewordId, lang };
    outlet.say('nlu/query', { ...asked, asrConfidence: confidence });
    const meaning = understanding.answer({ ...asked, customData, confidence, intent }, 'dialogue');
    if (meaning === 'handled') {
      if (response !== undefined) await say(session, response);
      if (goesOn()) finish(session, 'nominal');
    }
    if (meaning !== 'unknown') return;
    if (!session.sendNotRecognized) {
      finish(session, 'intentNotRecognized');
      return;
    }
    const body = { input, siteId, sessionId, customData };
    outlet.say('dialogueManager/intentNotRecognized', body);
  }

  function finish(session: Session, reason: Reason): void {
    const { id: sessionId, siteId, site, customData } = session;
    if (current.get(site) !== session) return;
    session.cancelTimer();
    session.step += 1;
    current.delete(site);
    if (session.kind === 'action') {
      outlet.say('asr/stopListening', { siteId, sessionId });
      recogniser.stop(site);
    }
    const termination = { reason };
    outlet.say('dialogueManager/sessionEnded', { siteId, sessionId, customData, termination });
    startNext(site, siteId);
  }

  function startNext(site: string, siteId: string): void {
    const queue = queues.get(site);
    const next = queue?.shift();
    if (queue?.length === 0) queues.delete(site);
    if (next === undefined) tellHotword('toggleOn', siteId);
    else void begin(next);
  }

  function tellHotword(state: 'toggleOn' | 'toggleOff', siteId: string): void {
    outlet.say(`hotword/${state}`, { siteId, reason: BY_DIALOGUE });
  }

  function open(session: Session): void {
    if (current.size < sitesMax) {
      void begin(session);
      return;
    }
    const text = `Cannot start a session at "${session.siteId}": ${sitesMax} sites have one`;
    refuse(session.siteId, new LedgeError('overflow', text));
  }

  function enqueue(session: Session): void {
    const { id: sessionId, siteId, site, customData } = session;
    const queue = queues.get(site) ?? [];
    if (queue.length >= sessionsQueuedMax) {
      const text = `Cannot queue a session at "${siteId}": ${sessionsQueuedMax} wait already`;
      refuse(siteId, new LedgeError('overflow', text));
      return;
    }
    queues.set(site, [...queue, session]);
    outlet.say('dialogueManager/sessionQueued', { siteId, sessionId, customData });
  }

  function refuse(siteId: string, error: LedgeError, sessionId: string | null = null): void {
    outlet.fail(error, { component: 'dialogueManager', siteId, sessionId });
  }

  function sessionOf(id: string, action: string): Session | undefined {
    const session = [...current.values()].find((one) => one.id === id);
    if (session === undefined) {
      const text = `Cannot ${action} session "${id}": there is none of this id`;
      refuse('default', new LedgeError('not-found', text), id);
    }
    return session;
  }

  function wake({ siteId, wakewordId, sessionId, lang, voiceId }: Waking): void {
    const site = names.siteOf(siteId);
    const before = current.get(site);
    const session = createSession({
      ...{ siteId, site, wakewordId, kind: 'action', text: null, customData: wakewordId },
      id: sessionId ?? `${siteId}-${wakewordId}-${randomUUID()}`,
      ...{ lang: lang ?? config.language, voiceId },
    });
    if (before === undefined) {
      open(session);
    } else {
      queues.set(site, [session, ...(queues.get(site) ?? [])]);
      finish(before, 'abortedByUser');
    }
  }

  function start(message: Incoming<'hermes/dialogueManager/startSession'>): void {
    const { siteId, init, customData, lang } = message;
    const site = names.siteOf(siteId);
    const action = init.type === 'action' ? init : undefined;
    const session = createSession({
      ...{ siteId, site, kind: init.type, text: init.text, customData },
      ...{ id: randomUUID(), lang: lang ?? config.language },
      intentFilter: action?.intentFilter ?? null,
      sendNotRecognized: action?.sendIntentNotRecognized ?? false,
    });
    if (!current.has(site)) {
      open(session);
    } else if (action === undefined || action.canBeEnqueued) {
      enqueue(session);
    } else {
      const text = `Cannot start a session at "${siteId}": one is open, and it may not wait`;
      refuse(siteId, new LedgeError('unavailable', text, { retriable: true }));
    }
  }

  async function proceed(
    message: Incoming<'hermes/dialogueManager/continueSession'>,
  ): Promise<void> {
    const session = sessionOf(message.sessionId, 'continue');
    if (session === undefined) return;
    const { siteId, site, id: sessionId } = session;
    const goesOn = nextStep(session);
    session.customData = message.customData ?? session.customData;
    session.lang = message.lang ?? session.lang;
    session.intentFilter = message.intentFilter;
    session.sendNotRecognized = message.sendIntentNotRecognized;
    outlet.say('asr/stopListening', { siteId, sessionId });
    recogniser.stop(site);
    tellHotword('toggleOff', siteId);
    if (message.text !== null) await say(session, message.text);
    if (goesOn()) listen(session);
  }

  async function end(message: Incoming<'hermes/dialogueManager/endSession'>): Promise<void> {
    const session = sessionOf(message.sessionId, 'end');
    if (session === undefined) return;
    const goesOn = nextStep(session);
    session.customData = message.customData ?? session.customData;
    recogniser.stop(session.site);
    if (message.text !== null) await say(session, message.text);
    if (goesOn()) finish(session, 'nominal');
  }

  return {
    ...{ wake, start, continue: proceed, end },
    close() {
      for (const session of current.values()) session.cancelTimer();
      current.clear();
      queues.clear();
    },
  };
}
