import type { Delivery } from '../../bus/bus.ts';
import { createChunkCounts } from '../../signal/chunk-order.ts';
import { createResamplerCache } from '../../signal/resampler-cache.ts';
import { encodeWav } from '../../signal/wav.ts';
import { createTeardown } from '../../std/teardown.ts';
import {
  activityOf,
  answerOf,
  bestLabel,
  type FlowReport,
  openFlowReports,
} from '../flow-reports.ts';
import { isSpoken } from '../intents.ts';
import { createClips } from './clips.ts';
import { createConductor, type Question } from './conductor.ts';
import type { Ear } from './ear.ts';
import { createEars } from './ears.ts';
import { createNotMe } from './not-me.ts';
import type { VoiceConfig, VoiceParts } from './options.ts';
import { voiceRequests } from './requests.ts';
import { createSites, type Site } from './sites.ts';
import { SAMPLE_RATE_HZ } from './sound-ring.ts';
import { createTeller } from './teller.ts';

const VOICE_IN = 'ledge/in/voice/';
/** The ring holds a command, the wake word before it, and what comes until results are there. */
const SPARE_MS = 4_000;

/**
 * Opens voice sessions: from the sound of microphones, and what the flows for wake words, voice activity
 * and commands say of it, to what was meant. Over the bus alone.
 */
export async function openVoice(config: VoiceConfig, parts: VoiceParts): Promise<AsyncDisposable> {
  const { bus, base, clock, log } = parts;
  const teardown = createTeardown();
  const failed = (what: string, error: string) =>
    log.warn('Cannot tell of a voice session', { what, error });
  const counts = createChunkCounts();
  const sites = createSites(config.sites);
  const notMe = createNotMe(parts.learned, {
    clips: createClips(parts.clipsFolder),
    failed: (error) => log.warn('Cannot keep what a site learned', { error: String(error) }),
  });
  const conductor = createConductor({
    ...{ config, clock, log, notMe },
    teller: createTeller({ bus, base, clock, intents: config.intents, failed }),
    hasActivity: () => parts.flowRuns(config.activityFlow),
    ask,
  });
  const { activityFlow, wakeFlow, commandFlow } = config;
  const answers = `${base}/bridge/voice/answer`;
  const flows = [activityFlow, wakeFlow, commandFlow];
  const reports = await openFlowReports({ bus, base, flows, answering: commandFlow });
  const listening = new Map<Ear, () => void>();
  const ears = createEars({
    ...{ clock, counts, filters: createResamplerCache(SAMPLE_RATE_HZ) },
    secondsKept: Math.ceil((config.prerollMs + config.commandMsMax + SPARE_MS) / 1e3),
    isKnown: sites.isConfigured,
    isBusy: conductor.isBusy,
    opened(ear) {
      listening.set(
        ear,
        reports.listen(ear.device, (report) => learn(ear, report)),
      );
    },
    closed(ear) {
      listening.get(ear)?.();
      listening.delete(ear);
      sites.forget(ear.device);
    },
  });

  function hear({ message }: Delivery): void {
    const device = message.topic.slice(VOICE_IN.length);
    if (sites.ofDevice(device) === undefined) return;
    const ear = ears.open(device);
    if (ear === undefined) return sites.forget(device);
    ear.hear(message);
    conductor.sound(ear);
  }

  /** A flow has said something of a device's sound. */
  function learn(ear: Ear, { flow, correlation, outcome }: FlowReport): void {
    if (flow === commandFlow && (correlation !== undefined || bus.kind === 'external')) {
      conductor.answer(ear.device, correlation, outcome);
    }
    if (outcome.kind !== 'result') return;
    const { result, ts } = outcome;
    if (flow === activityFlow) {
      const active = activityOf(result);
      if (active !== undefined) conductor.activity(ear, active, ts);
    } else if (flow === wakeFlow) {
      const best = bestLabel(result);
      const site = sites.ofDevice(ear.device);
      if (site === undefined || best === undefined || !isSpoken(best.label)) return;
      conductor.wake(site, ear, { best, ts });
    }
  }

  function ask({ device, sessionId, clip }: Question): void {
    const sound = Float32Array.from(clip, (value) => value / 32_768);
    bus
      .publish({
        topic: `ledge/in/command/${device}`,
        payload: encodeWav(sound, SAMPLE_RATE_HZ),
        qos: 1,
        retain: false,
        properties: {
          contentType: 'audio/wav',
          correlationData: Buffer.from(sessionId),
          responseTopic: answers,
        },
      })
      .catch((error: unknown) => {
        const message = `The clip could not be sent: ${String(error)}`;
        conductor.answer(device, sessionId, { kind: 'failed', code: 'unavailable', message });
      });
  }

  function earOf({ devices }: Site): Ear | undefined {
    const heard = devices
      .flatMap((device) => ears.get(device) ?? [])
      .sort((a, b) => (b.heardAtMs ?? 0) - (a.heardAtMs ?? 0));
    return heard[0] ?? ears.open(devices[0] ?? '');
  }

  async function listen(): Promise<void> {
    const answered = await bus.subscribe(answers, { qos: 1 }, (delivery) => {
      delivery.accept();
      const answer = answerOf(delivery.message);
      if (answer?.correlation !== undefined) {
        conductor.answer('', answer.correlation, answer.outcome);
      }
      delivery.settle();
    });
    teardown.add('the answers', () => answered.close());
    const heard = await bus.subscribe(`${VOICE_IN}+`, { qos: 0 }, (delivery) => {
      delivery.accept();
      hear(delivery);
      delivery.settle();
    });
    teardown.add('the sound', () => heard.close());
  }

  teardown.add('what was learned', () => notMe.close());
  teardown.add('the results of flows', () => reports[Symbol.asyncDispose]());
  try {
    await listen();
    teardown.add('the sessions', () => conductor.close());
    const requests = voiceRequests({ sites, conductor, notMe, earOf, sound: counts });
    for (const [request, handler] of requests) {
      const withdraw = parts.offer(request, handler);
      teardown.add(`the request ${request}`, withdraw);
    }
  } catch (error) {
    await teardown.run();
    throw error;
  }
  return { [Symbol.asyncDispose]: () => teardown.run() };
}
