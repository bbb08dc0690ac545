import type { ResamplerCache } from '../../signal/resampler-cache.ts';
import { LedgeError } from '../../std/error.ts';
import { activityOf, bestLabel, type FlowReport, type FlowReports } from '../flow-reports.ts';
import { isSpoken, phraseOf, plain } from '../intents.ts';
import type { DeviceNames } from './device-names.ts';
import type { Frame } from './frame.ts';
import { describeServices } from './info.ts';
import { type Answer, errorAnswer, type Meaning } from './meaning.ts';
import type { WyomingConfig, WyomingParts } from './options.ts';
import { parseRequest, type Request, type SoundFormat } from './requests.ts';
import { isSameFormat, openSoundIntake } from './sound.ts';
import { createClipStream, createLiveStream, type SoundStream } from './stream.ts';
import { createSlot } from './wait.ts';

/** How long after the end of the sound a wake word may still be found in it. */
const WAKE_GRACE_MS = 500;

/** What all sessions of a server share. */
export interface SessionParts extends WyomingParts {
  readonly config: WyomingConfig;
  readonly devices: DeviceNames;
  readonly reports: FlowReports;
  readonly meaning: Meaning;
  readonly filters: ResamplerCache;
}

/** What one client said and is owed. */
export interface Session {
  /** Deals with one frame to its end. Fails with a LedgeError that is the client's to know. */
  handle(frame: Frame): Promise<void>;
  /** Gives its device name back. Idempotent. */
  close(): void;
}

interface SessionOptions {
  /** Aborts when the client has gone. */
  readonly signal: AbortSignal;
  /** Resolves once the client takes more. */
  send(answer: Answer): Promise<void>;
}

/** What the sound that comes next is for. */
type Aim =
  | { readonly kind: 'listen' } // nobody said: only whether somebody speaks
  | { readonly kind: 'wake'; readonly names: ReadonlySet<string> }
  | { readonly kind: 'asr' };

interface Hearing {
  readonly aim: Aim;
  readonly stream: SoundStream;
  /** Whether somebody speaks, as the client was told last. */
  speaking: boolean;
  readonly detected: ReturnType<typeof createSlot<true>>;
  readonly command: ReturnType<typeof createSlot<FlowReport['outcome']>>;
}

/** A session at its start. Frames must be handled one after the other. */
export function createSession(parts: SessionParts, options: SessionOptions): Session {
  const { config, clock } = parts;
  const { send, signal } = options;
  let aim: Aim = { kind: 'listen' };
  let hearing: Hearing | undefined;
  /** Sound that has ended, of which the flow may still tell whether somebody spoke. */
  let ended: Hearing | undefined;
  /** Whether the sound that comes was refused: it is told once, not with every chunk. */
  let refused = false;
  let streams = 0;
  let leased: { readonly device: string; stop(): void } | undefined;

  function deviceOf(): string {
    if (leased === undefined) {
      const device = parts.devices.take();
      leased = { device, stop: parts.reports.listen(device, hear) };
    }
    return leased.device;
  }

  /** A flow has said something of this client's sound. */
  function hear({ flow, correlation, outcome }: FlowReport): void {
    const of = hearing ?? ended;
    if (of === undefined) return;
    if (correlation !== undefined && correlation !== of.stream.correlation) return;
    if (of.aim.kind === 'asr') {
      if (flow === config.commandFlow) of.command.fill(outcome);
    } else if (outcome.kind === 'result') hearLive(of, flow, outcome.result);
  }

  function hearLive(of: Hearing, flow: string, result: unknown): void {
    if (flow === config.wakeFlow && of.aim.kind === 'wake') {
      const label = bestLabel(result)?.label;
      if (label === undefined || !isSpoken(label)) return;
      if (of.aim.names.size > 0 && !of.aim.names.has(plain(label))) return;
      of.detected.fill(true);
      void send({ type: 'detection', data: { name: label, timestamp: timestampOf(of) } });
    }
    const active = flow === config.activityFlow ? activityOf(result) : undefined;
    if (active !== undefined) void tellActivity(of, active);
  }

  async function tellActivity(of: Hearing, active: boolean): Promise<void> {
    if (active === of.speaking) return;
    of.speaking = active;
    const type = active ? 'voice-started' : 'voice-stopped';
    await send({ type, data: { timestamp: timestampOf(of) } });
  }

  function begin(format: SoundFormat): Hearing {
    hearing = undefined;
    ended = undefined;
    refused = true;
    const name = aim.kind === 'asr' ? config.commandFlow : config.wakeFlow;
    if (aim.kind !== 'listen' && parts.flowOf(name) === undefined) {
      throw new LedgeError('unavailable', `Cannot take sound: flow "${name}" does not run`);
    }
    const intake = openSoundIntake(format, parts.filters);
    const device = deviceOf();
    streams += 1;
    const target = { bus: parts.bus, device, correlation: `${device}/${clock.now()}/${streams}` };
    const stream =
      aim.kind === 'asr'
        ? createClipStream(intake, target, config.limits.clipSecondsMax)
        : createLiveStream(intake, target);
    hearing = { aim, stream, speaking: false, detected: createSlot(), command: createSlot() };
    refused = false;
    return hearing;
  }

  async function take({ data, payload }: Extract<Request, { type: 'audio-chunk' }>) {
    if (refused) return;
    const { stream } = hearing ?? begin(data);
    try {
      if (!isSameFormat(stream.intake.format, data)) {
        throw new LedgeError('value-invalid', 'Cannot change the format within a stream of sound');
      }
      await stream.push(payload);
    } catch (error) {
      hearing = undefined;
      refused = true;
      throw error;
    }
  }

  async function end(): Promise<void> {
    const whole = hearing;
    refused = false;
    if (whole === undefined) return aim.kind === 'asr' ? send(heard('')) : undefined;
    try {
      await finish(whole);
    } finally {
      hearing = undefined;
    }
  }

  async function finish(whole: Hearing): Promise<void> {
    const { aim: asked, stream, command, detected } = whole;
    if (asked.kind === 'asr') return finishClip(stream, command);
    await stream.end();
    if (asked.kind === 'listen') {
      ended = whole;
      return;
    }
    const found = await detected.wait(WAKE_GRACE_MS, { clock, signal });
    if (found === undefined) await send({ type: 'not-detected', data: {} });
    // Nobody speaks after the end of the sound, whether or not the flow has said so yet.
    await tellActivity(whole, false);
  }

  /** Ends with a transcript whatever happens: a client may know no other end. */
  async function finishClip(stream: SoundStream, command: Hearing['command']): Promise<void> {
    let text = '';
    try {
      if (stream.heardMs > 0) {
        await stream.end();
        const limitMs = config.limits.answerSeconds * 1e3;
        text = textOf(await command.wait(limitMs, { clock, signal }), config);
      }
    } catch (error) {
      await send(errorAnswer(error));
    }
    await send(heard(text));
  }

  function heard(text: string): Answer {
    aim = { kind: 'listen' };
    return { type: 'transcript', data: { text, language: config.languages[0] ?? 'en' } };
  }

  async function answer(request: Request): Promise<void> {
    switch (request.type) {
      case 'describe': {
        const info = describeServices(config, parts.version, (name) => parts.flowOf(name));
        return send({ type: 'info', data: info });
      }
      case 'ping':
        return send({ type: 'pong', data: { text: request.data.text ?? null } });
      case 'detect':
        aim = { kind: 'wake', names: new Set((request.data.names ?? []).map(plain)) };
        return;
      case 'transcribe':
        aim = { kind: 'asr' };
        return;
      case 'audio-start':
        begin(request.data);
        return;
      case 'audio-chunk':
        return take(request);
      case 'audio-stop':
        return end();
      case 'transcript':
        return send(await parts.meaning.answer(request.data.text));
    }
  }

  return {
    async handle(frame) {
      const request = parseRequest(frame);
      if (request !== undefined) await answer(request);
    },
    close() {
      if (leased === undefined) return;
      const cut = hearing?.aim.kind === 'asr' ? undefined : hearing?.stream;
      cut?.end().catch((error: unknown) => {
        parts.log.debug('Wyoming stream', { error: String(error) });
      });
      leased.stop();
      parts.devices.give(leased.device);
      leased = undefined;
      hearing = undefined;
      ended = undefined;
    },
  };
}

/** The end of the sound so far, in the client's own time. */
function timestampOf({ stream }: Hearing): number {
  return stream.heardMs + (stream.intake.format.timestamp ?? 0);
}

/** The words of a command, none where it was not understood. Throws where the flow gave no answer. */
function textOf(
  outcome: FlowReport['outcome'] | undefined,
  { commandFlow, scoreMin }: WyomingConfig,
): string {
  if (outcome === undefined) {
    throw new LedgeError('timeout', `Flow "${commandFlow}" did not answer in time`);
  }
  if (outcome.kind === 'failed') throw new LedgeError('inference-failed', outcome.message);
  if (outcome.kind === 'dropped') {
    if (outcome.reason === 'filtered') return ''; // a step of the flow said that it is no command
    throw new LedgeError('unavailable', `Flow "${commandFlow}" dropped it: ${outcome.reason}`);
  }
  const best = bestLabel(outcome.result);
  if (best === undefined || best.score < scoreMin || !isSpoken(best.label)) return '';
  return phraseOf(best.label);
}
