import type { Clock } from '../../std/clock.ts';
import { bestLabel, type FlowReport } from '../flow-reports.ts';
import { isSpoken } from '../intents.ts';
import type { Ear } from './ear.ts';
import type { VoiceConfig } from './options.ts';
import { millisecondsOf, samplesOf } from './sound-ring.ts';

/** A live device sends every 20 to 125 ms: after so long without sound there is none. */
export const SOUND_LOST_MS = 1_000;
/** A clip takes tens of milliseconds; a board that is busy, a flow that is loaded again, seconds. */
export const ANSWER_MS_MAX = 3_000;
/** Limits count in sound; sound that comes late, or slowly, has so much longer by the clock. */
export const LATE_MS = 1_000;
/** Speech begins so long before its flow says so: a soft first sound must not be cut off. */
const ONSET_MS = 300;
/** A pause within a word, such as before its last t, is shorter; what goes on after it is one command. */
const PAUSE_MS = 400;
/** The shortest clip that the flow of commands takes. */
const CLIP_MS_MIN = 300;

/** A label that a flow gave, with its score. */
export interface Scored {
  readonly label: string;
  readonly score: number;
}

/** How a session ended. */
export type SessionEnd =
  | {
      readonly kind: 'command';
      readonly best: Scored;
      readonly seconds: number;
      readonly timing: CommandTiming;
    }
  | {
      readonly kind: 'not-recognised';
      readonly reason: 'nothing-said' | 'no-match' | 'too-long' | 'audio-lost' | 'failed';
      readonly best?: Scored;
      /** Why the flow gave no answer. */
      readonly error?: string;
    }
  | { readonly kind: 'cancelled' };

/** Milliseconds: of silence waited for, of the flow, and from the end of speech to the answer. */
export interface CommandTiming {
  readonly endSilenceMs: number;
  readonly commandMs: number;
  readonly totalMs: number;
}

export type SessionPhase = 'listening' | 'speaking' | 'trailing' | 'asking' | 'ended';

export interface SessionOptions {
  readonly config: VoiceConfig;
  readonly clock: Clock;
  readonly ear: Ear;
  /** Where in its sound the wake word was found, or listening was asked for. */
  readonly from: number;
  readonly trigger: 'wake' | 'request';
  /** Whether the flow that tells speech from silence runs. */
  hasActivity(): boolean;
  /** Sends the clip to the flow of commands. */
  ask(clip: Int16Array<ArrayBuffer>): void;
  /** Called once. */
  ended(end: SessionEnd): void;
}

/** One command that is listened for, from its wake word to its meaning. */
export interface Session {
  readonly phase: SessionPhase;
  readonly ear: Ear;
  /** Lets it ask; before that it only listens. */
  grant(): void;
  /** The device's sound went on. */
  sound(): void;
  /** Speech began or ended at a position of the sound. */
  activity(active: boolean, position: number): void;
  /** What became of the clip. */
  answer(outcome: FlowReport['outcome']): void;
  cancel(): void;
}

/**
 * A session that listens. Every phase has an end by sound and by the clock, so that whatever is lost or
 * does not run, `ended` comes within nothingSaidMs + commandMsMax + a few seconds.
 */
export function createSession(options: SessionOptions): Session {
  const { config, clock, ear, from } = options;
  const { ring } = ear;
  const startedMs = clock.now();
  let phase: SessionPhase = 'listening';
  let granted = false;
  /** The clip that waits for `grant`. */
  let waiting: Int16Array<ArrayBuffer> | undefined;
  let clipFrom = from - samplesOf(config.prerollMs);
  /** Whether the speech is that of the wake word still. */
  let inWake = options.trigger === 'wake' && (ear.speaking ?? options.hasActivity());
  let cut: 'too-long' | 'audio-lost' | undefined;
  let paused = false; // what was said is no command yet, but may go on
  /** The last clip was no command, but this. */
  let refused: { readonly best?: Scored } | undefined;
  /** Where speech began while a clip was out. */
  let resumed: number | undefined;
  let seconds = 0;
  let spokenUntilMs = 0;
  let quietAtMs = 0;
  let askedAtMs = 0;
  let endsAt = Infinity;
  let cancelLimit: () => void = () => undefined;
  let cancelWatch: () => void = () => undefined;
  // Whatever else fails: no phase comes back for ever.
  const cancelLast = clock.after(
    config.nothingSaidMs + config.commandMsMax + ANSWER_MS_MAX + 3 * LATE_MS,
    () => end({ kind: 'not-recognised', reason: 'too-long' }),
  );

  /** Goes into a phase that lasts so many milliseconds of sound after a position. */
  function enter(next: SessionPhase, limit: { readonly ms: number; readonly after: number }): void {
    phase = next;
    cancelLimit();
    endsAt = limit.after + samplesOf(limit.ms);
    const left = Math.max(0, millisecondsOf(endsAt - ring.end));
    cancelLimit = clock.after(left + (next === 'trailing' ? 0 : LATE_MS), onLimit);
  }

  function listen(): void {
    enter('listening', { ms: config.nothingSaidMs, after: from });
  }

  function speak(): void {
    enter('speaking', { ms: config.commandMsMax, after: Math.max(clipFrom, from) });
  }

  function onLimit(): void {
    if (phase === 'trailing') ask();
    else if (phase === 'speaking') ask('too-long');
    else if (phase === 'asking') fail(`No answer within ${ANSWER_MS_MAX} ms`);
    else if (phase === 'listening') {
      // Nobody tells speech from silence: whatever was said is in this sound.
      if (!options.hasActivity()) ask();
      else if (refused === undefined) end({ kind: 'not-recognised', reason: 'nothing-said' });
      else end({ kind: 'not-recognised', reason: 'no-match', ...refused });
    }
  }

  function watchSound(): void {
    const limitMs = ear.heardAtMs === undefined ? config.nothingSaidMs : SOUND_LOST_MS;
    const silentMs = clock.now() - Math.max(startedMs, ear.heardAtMs ?? startedMs);
    cancelWatch();
    cancelWatch = clock.after(Math.max(1, limitMs - silentMs), () => {
      const heardMs = Math.max(startedMs, ear.heardAtMs ?? startedMs);
      if (phase === 'asking' || phase === 'ended') return;
      if (clock.now() - heardMs < limitMs) watchSound();
      else if (phase === 'listening') end({ kind: 'not-recognised', reason: 'audio-lost' });
      else ask('audio-lost');
    });
  }

  function ask(why?: 'too-long' | 'audio-lost'): void {
    const to = ring.end;
    const first = Math.max(clipFrom, to - samplesOf(config.commandMsMax));
    const clip = ring.slice(Math.min(first, to - samplesOf(CLIP_MS_MIN)), to);
    const now = clock.now();
    cut = why;
    resumed = undefined;
    seconds = millisecondsOf(clip.length) / 1e3;
    if (phase !== 'trailing') quietAtMs = now;
    spokenUntilMs = Math.min(now, ring.timeOf(ring.speechEnd(first, to)));
    askedAtMs = now;
    phase = 'asking';
    cancelLimit();
    endsAt = Infinity;
    cancelLimit = clock.after(ANSWER_MS_MAX, onLimit);
    if (granted) options.ask(clip);
    else waiting = clip;
  }

  /**
   * The clip was no command. Speech that began with the wake word may have been no more than that; other
   * speech may have paused only.
   */
  function refuse(best: Scored | undefined): void {
    const what = best === undefined ? {} : { best };
    if (cut !== undefined) return end({ kind: 'not-recognised', reason: cut, ...what });
    refused = what;
    paused = !inWake;
    inWake = false;
    if (resumed !== undefined) goOn(resumed);
    else if (paused) enter('listening', { ms: PAUSE_MS, after: ring.end });
    else listen();
    watchSound();
  }

  function goOn(position: number): void {
    if (paused) speak();
    else hearFrom(position);
  }

  function hearFrom(position: number): void {
    clipFrom = Math.max(clipFrom, position - samplesOf(ONSET_MS));
    speak();
  }

  function fail(error: string): void {
    end({ kind: 'not-recognised', reason: cut ?? 'failed', error });
  }

  function end(result: SessionEnd): void {
    if (phase === 'ended') return;
    phase = 'ended';
    cancelLimit();
    cancelWatch();
    cancelLast();
    options.ended(result);
  }

  function activity(active: boolean, position: number): void {
    if (active && phase === 'listening') {
      // Told late: the speech that the wake word was in goes on.
      inWake = options.trigger === 'wake' && position <= from;
      if (inWake) speak();
      else goOn(position);
    } else if (active && phase === 'trailing') speak();
    else if (phase === 'asking') resumed = active ? position : undefined;
    else if (!active && phase === 'speaking') {
      const isTail = inWake && position - from < samplesOf(config.wakeTailMs);
      if (isTail) {
        inWake = false;
        return listen();
      }
      quietAtMs = clock.now();
      enter('trailing', { ms: config.endSilenceMs, after: position });
      if (ring.end >= endsAt) ask();
    }
  }

  function answer(outcome: FlowReport['outcome']): void {
    if (phase !== 'asking') return;
    if (outcome.kind === 'failed') return fail(outcome.message);
    if (outcome.kind === 'dropped' && outcome.reason !== 'filtered') {
      return fail(`Dropped: ${outcome.reason}`);
    }
    const best = outcome.kind === 'result' ? bestLabel(outcome.result) : undefined;
    if (best === undefined || !isSpoken(best.label) || best.score < config.scoreMin) {
      return refuse(best);
    }
    const now = clock.now();
    const timing = {
      endSilenceMs: Math.max(0, askedAtMs - quietAtMs),
      commandMs: now - askedAtMs,
      totalMs: Math.max(0, Math.round(now - spokenUntilMs)),
    };
    end({ kind: 'command', best, seconds, timing });
  }

  if (inWake) speak();
  else listen();
  watchSound();

  return {
    ear,
    get phase() {
      return phase;
    },
    grant() {
      granted = true;
      if (waiting !== undefined && phase === 'asking') options.ask(waiting);
      waiting = undefined;
    },
    sound() {
      if (phase !== 'ended' && ring.end >= endsAt) onLimit();
    },
    activity,
    answer,
    cancel: () => end({ kind: 'cancelled' }),
  };
}
