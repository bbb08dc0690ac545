import type { Bus, DeliveryHandler } from '../../bus/bus.ts';
import { createTeardown, type Teardown } from '../../std/teardown.ts';
import { createDialogue } from './dialogue.ts';
import { createEars } from './ears.ts';
import { createGate } from './gate.ts';
import { componentOf, type Filter, type Incoming, parseMessage, SCHEMAS } from './messages.ts';
import type { HermesConfig, HermesParts } from './options.ts';
import { createOutlet, type Outlet } from './outlet.ts';
import { createRecogniser } from './recogniser.ts';
import { createSentences } from './sentences.ts';
import { createSiteAudio, type SiteAudio, type SiteCounts } from './site-audio.ts';
import { createSiteNames } from './site-names.ts';
import { createSpeech } from './speech.ts';
import { createUnderstanding } from './understanding.ts';
import { openVoiceLink, type VoiceEvent, type VoiceLink } from './voice-link.ts';

const AUDIO_FILTER = 'hermes/audioServer/+/audioFrame';
const AUDIO_PREFIX = 'hermes/audioServer/'.length;
const AUDIO_SUFFIX = -'/audioFrame'.length;
/** What only a dialogue manager listens to. */
const OF_DIALOGUE = /^hermes\/(dialogueManager|tts)\/|\/detected$/;

/** Hermes as it runs; disposing it ends every session without a word. */
export interface Hermes extends AsyncDisposable {
  /** Satellites that are heard now. */
  readonly sites: readonly SiteCounts[];
}

type Handlers = { readonly [F in Filter]: (message: Incoming<F>, topic: string) => unknown };

/**
 * Speaks Hermes over the bus: takes the sound of satellites, and is the hotword, asr, nlu and (unless
 * another runs) dialogueManager component, on top of the node's voice sessions.
 */
export async function openHermes(config: HermesConfig, parts: HermesParts): Promise<Hermes> {
  const { bus, clock, log } = parts;
  const teardown = createTeardown();
  const filters = (Object.keys(SCHEMAS) as Filter[]).filter(
    (filter) => config.dialogue || !OF_DIALOGUE.test(filter),
  );
  const outlet = createOutlet({ bus, clock, log, filters });
  const audio = createAudio(config, parts, outlet);
  teardown.add('the sound of satellites', audio.close);
  try {
    const handlers = await openComponents(config, { ...parts, outlet, teardown });
    for (const filter of filters) {
      await hear({ bus, teardown, filter }, (delivery) => {
        delivery.accept();
        delivery.settle();
        const { topic, payload, retain } = delivery.message;
        if (!retain) dispatch(filter, topic, payload); // kept: asked some time ago
      });
    }
    await hear({ bus, teardown, filter: AUDIO_FILTER }, (delivery) => {
      const { topic, payload } = delivery.message;
      void audio.take(topic.slice(AUDIO_PREFIX, AUDIO_SUFFIX), payload).then(() => {
        delivery.accept(); // only now: a satellite is held back where the flows are
        delivery.settle();
      });
    });

    function dispatch<F extends Filter>(filter: F, topic: string, payload: Uint8Array): void {
      if (outlet.isOwn(topic, payload)) return;
      try {
        handlers[filter](parseMessage(filter, payload), topic);
      } catch (error) {
        outlet.fail(error, { component: componentOf(topic), context: topic });
      }
    }
  } catch (error) {
    await teardown.run();
    throw error;
  }
  return {
    get sites() {
      return audio.sites;
    },
    [Symbol.asyncDispose]: () => teardown.run(),
  };
}

async function hear(
  { bus, teardown, filter }: { bus: Bus; teardown: Teardown; filter: string },
  handler: DeliveryHandler,
): Promise<void> {
  // QoS 0: a broker keeps none of it for a node that is away, and what was asked then is over.
  const subscription = await bus.subscribe(filter, { qos: 0 }, handler);
  teardown.add(filter, () => subscription.close());
}

function createAudio(
  { limits }: HermesConfig,
  { bus, clock, log, microphones }: HermesParts,
  outlet: Outlet,
): SiteAudio {
  return createSiteAudio({
    ...{ bus, clock, sitesMax: limits.sitesMax, idleMs: limits.siteIdleSeconds * 1e3 },
    own: microphones,
    onProblem(siteId, problem) {
      log.warn('Sound of a satellite is refused', { siteId, error: problem.message });
      outlet.fail(problem, { component: 'audioServer', siteId, context: 'audioFrame' });
    },
    onForgotten: (counts) => log.info('A satellite is silent and forgotten', { ...counts }),
  });
}

interface ComponentParts extends HermesParts {
  readonly outlet: Outlet;
  readonly teardown: Teardown;
}

/** Opens the components; gives who deals with which message. */
async function openComponents(config: HermesConfig, parts: ComponentParts): Promise<Handlers> {
  const { bus, base, clock, outlet, teardown } = parts;
  const { language, wakewordId, limits } = config;
  const names = createSiteNames({
    ...{ pairs: config.sites, places: parts.places, own: parts.microphones },
  });
  const link: VoiceLink = await openVoiceLink({ bus, base, clock, onEvent });
  teardown.add('the way to the voice sessions', () => link[Symbol.asyncDispose]());
  const hotword = createGate(limits.sitesMax, link.setWaking);
  const asr = createGate(limits.sitesMax, (site, enabled) => {
    if (enabled) recogniser.switchedOn(site);
  });
  const ears = createEars(link, clock);
  const recogniser = createRecogniser({
    ...{ ears, outlet, clock, names, gate: asr, language, sitesMax: limits.sitesMax },
  });
  const waitMs = limits.sayFinishedSeconds * 1e3;
  const speech = createSpeech({ outlet, clock, waitMs, hotword, asr });
  const sentences = createSentences({ rules: parts.intents, names });
  const understanding = createUnderstanding(sentences, outlet);
  const dialogue = createDialogue({
    ...{ config, outlet, clock, names, recogniser, understanding, speech },
  });
  teardown.add('the dialogue', () => {
    dialogue.close();
    speech.close();
  });

  function onEvent(event: VoiceEvent): void {
    ears.take(event);
    if (event.type !== 'session-started' || event.trigger !== 'wake') return;
    const { site, device, sessionId: voiceId, wake } = event;
    const siteId = names.siteIdOf(site, device);
    outlet.say(`hotword/${wakewordId}/detected`, {
      ...{ modelId: wake?.label ?? wakewordId, modelVersion: '', modelType: 'personal' },
      ...{ currentSensitivity: 1, siteId, sessionId: null, sendAudioCaptured: null },
      lang: language,
    });
    if (!config.dialogue) recogniser.offer(site, voiceId);
    else dialogue.wake({ siteId, wakewordId, sessionId: null, lang: null, voiceId });
  }

  return {
    'hermes/hotword/toggleOn': (to) => hotword.on(names.siteOf(to.siteId), to.reason),
    'hermes/hotword/toggleOff': (to) => hotword.off(names.siteOf(to.siteId), to.reason),
    'hermes/asr/toggleOn': (to) => asr.on(names.siteOf(to.siteId), to.reason),
    'hermes/asr/toggleOff': (to) => asr.off(names.siteOf(to.siteId), to.reason),
    'hermes/asr/startListening': recogniser.startListening,
    'hermes/asr/stopListening': recogniser.stopListening,
    'hermes/nlu/query': (query) =>
      understanding.answer(
        { ...query, lang: query.lang ?? language, confidence: query.asrConfidence ?? 1 },
        'program',
      ),
    'hermes/hotword/+/detected': (detected, topic) => {
      const id = topic.split('/')[2] ?? wakewordId;
      dialogue.wake({ ...detected, wakewordId: id, voiceId: undefined });
    },
    'hermes/dialogueManager/startSession': dialogue.start,
    'hermes/dialogueManager/continueSession': dialogue.continue,
    'hermes/dialogueManager/endSession': dialogue.end,
    'hermes/tts/sayFinished': ({ id }) => speech.finished(id),
  };
}
