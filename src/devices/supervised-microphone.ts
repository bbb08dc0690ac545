import type { Clock } from '../std/clock.ts';
import { type Microphone, type MicrophoneInput, openMicrophone } from './microphone.ts';

/** The first wait before a recorder is started again; doubled with each failure in a row. */
const BACK_OFF_MS_MIN = 500;
/** A microphone that is plugged in again is heard after at most this. */
const BACK_OFF_MS_MAX = 30_000;
/** A recorder that was heard for so long is well: the next wait is a short one again. */
const WELL_MS = 10_000;
/** A busy board starts a program and opens its sound card within this. */
const START_MS_MAX = 5_000;
/** After a stall of our own the timer fires before the pipe is read: time to read it. */
const READ_MS = 250;
/** Reasons go into a retained topic. */
const REASON_MAX = 300;

/** What a microphone does: `waiting` is the time before its recorder is started again. */
export type MicrophoneState = 'starting' | 'recording' | 'waiting' | 'stopped';

/** One microphone as it is told on bridge/devices. */
export interface MicrophoneStatus {
  readonly device: string;
  readonly program: string;
  readonly state: MicrophoneState;
  /** Milliseconds since 1970 of the last change of `state`. */
  readonly since: number;
  /** How often its recorder was started again. */
  readonly restarts: number;
  /** Why the recorder last went away. */
  readonly reason?: string;
}

export interface SupervisedOptions extends MicrophoneInput {
  readonly device: string;
  /** A pipe with no byte for so long has nobody at its other end. */
  readonly silentMsMax: number;
  readonly clock: Clock;
  sound(bytes: Uint8Array): void;
  changed(status: MicrophoneStatus): void;
  /** 0 to 1, for the jitter of the waits. */
  readonly random?: () => number;
}

/** A microphone whose recorder is started again whatever ends it. */
export interface SupervisedMicrophone extends AsyncDisposable {
  readonly status: MicrophoneStatus;
  /** Process id of the recorder, while there is one. */
  readonly processId: number | undefined;
}

/**
 * Runs a recorder, and another one after it exits, is not there, or says nothing for `silentMsMax`,
 * with waits from half a second to half a minute. Never throws.
 */
export function superviseMicrophone(options: SupervisedOptions): SupervisedMicrophone {
  const { device, program, clock, silentMsMax, random = Math.random } = options;
  let status: MicrophoneStatus = {
    ...{ device, program, state: 'starting', since: clock.now(), restarts: 0 },
  };
  let recorder: Microphone | undefined;
  let failures = 0;
  let heardSince = 0;
  let cancel: () => void = () => undefined;
  let closing: Promise<void> = Promise.resolve();

  function tell(state: MicrophoneState, more: Partial<MicrophoneStatus> = {}): void {
    status = { ...status, ...more, state, since: clock.now() };
    options.changed(status);
  }

  function watch(limitMs: number): void {
    cancel();
    cancel = clock.after(limitMs, () => {
      cancel = clock.after(READ_MS, () => fail(`${program} is silent for ${limitMs} ms`));
    });
  }

  function sound(bytes: Uint8Array): void {
    watch(silentMsMax);
    if (status.state === 'starting') {
      heardSince = clock.now();
      tell('recording');
    }
    options.sound(bytes);
  }

  function start(): void {
    watch(Math.max(silentMsMax, START_MS_MAX));
    try {
      recorder = openMicrophone(options, { sound, ended: fail });
    } catch (error) {
      fail((error as Error).message);
    }
  }

  function fail(reason: string): void {
    cancel();
    closing = recorder?.close() ?? Promise.resolve();
    recorder = undefined;
    const heard = status.state === 'recording' && clock.now() - heardSince >= WELL_MS;
    failures = heard ? 1 : failures + 1;
    const full = Math.min(BACK_OFF_MS_MAX, BACK_OFF_MS_MIN * 2 ** (failures - 1));
    // Half of it is left to chance, so that several microphones of one card do not come at once.
    cancel = clock.after(full * (0.5 + random() / 2), () => {
      tell('starting', { restarts: status.restarts + 1 });
      start();
    });
    tell('waiting', { reason: reason.replace(/\s+/g, ' ').slice(0, REASON_MAX) });
  }

  start();
  return {
    get status() {
      return status;
    },
    get processId() {
      return recorder?.processId;
    },
    async [Symbol.asyncDispose]() {
      cancel();
      closing = Promise.all([closing, recorder?.close()]).then(() => undefined);
      recorder = undefined;
      if (status.state !== 'stopped') tell('stopped');
      await closing;
    },
  };
}
