import lpcm16 from 'node-record-lpcm16';
import { LedgeError } from '../std/error.ts';

/** The programs that record, by their names on the PATH. */
export const RECORDERS = ['arecord', 'sox', 'rec'] as const;

/** What every recorder is asked for: one channel of 16-bit little-endian samples. */
export const MICROPHONE_RATE_HZ = 16_000;
export const MICROPHONE_BYTES_PER_SECOND = MICROPHONE_RATE_HZ * 2;

/** A recorder that goes away says why in its last lines; more of it helps nobody. */
const LAST_WORDS_MAX = 400;
/** A program that was killed is gone in milliseconds, unless the kernel's driver holds it. */
const GONE_MS_MAX = 1_000;

export type Recorder = (typeof RECORDERS)[number];

/** Which program records from where. */
export interface MicrophoneInput {
  readonly program: Recorder;
  /** An ALSA device, `pulse:NAME` for a PulseAudio source; the system's default where absent. */
  readonly input?: string | undefined;
}

export interface MicrophoneListener {
  /** Whole samples, s16le mono 16 kHz. The bytes are the listener's to keep. */
  sound(bytes: Uint8Array): void;
  /** Called once, when the recorder is gone for whatever reason; not after `close`. */
  ended(reason: string): void;
}

/** One running recorder. */
export interface Microphone {
  readonly processId: number | undefined;
  /** Kills the recorder, frozen or not; resolves when it is gone, or cannot be waited for. */
  close(): Promise<void>;
}

/**
 * Starts a recorder and hands over what it records. Raw, since the WAV mode of arecord ends after
 * 2^31 bytes. Nothing of it is thrown later: what goes wrong is told through `ended`.
 * Throws LedgeError unavailable where no process can be started at all.
 */
export function openMicrophone(
  { program, input }: MicrophoneInput,
  listener: MicrophoneListener,
): Microphone {
  const child = start({ program, input });
  const { stdout, stderr } = child;
  let over = false;
  let odd: Uint8Array = new Uint8Array(0);
  let lastWords = '';

  const end = (reason: string) => {
    if (over) return;
    over = true;
    listener.ended(lastWords === '' ? reason : `${reason}: ${lastWords.trim()}`);
  };
  stdout?.on('data', (chunk: Buffer) => {
    if (over) return;
    const bytes = Buffer.concat([odd, chunk]);
    const whole = bytes.length - (bytes.length % 2);
    odd = bytes.subarray(whole);
    if (whole > 0) listener.sound(bytes.subarray(0, whole));
  });
  stderr?.on('data', (chunk: Buffer) => {
    lastWords = (lastWords + chunk.toString('utf8')).slice(-LAST_WORDS_MAX);
  });
  // The library emits 'error' on stdout where the exit code is not 0; `close` tells all of that.
  for (const stream of [stdout, stderr, child.stdin]) stream?.on('error', () => undefined);
  child.on('error', (error: NodeJS.ErrnoException) => {
    end(error.code === 'ENOENT' ? `${program} is not installed` : `${program}: ${error.message}`);
  });
  const gone = new Promise<void>((resolve) => {
    child.once('error', () => resolve());
    child.once('exit', () => resolve());
  });
  child.once('exit', (code, signal) => {
    // What it said last may still be in the pipe.
    setImmediate(() => end(`${program} ended with ${signal ?? `exit code ${code}`}`));
  });

  return {
    processId: child.pid,
    async close() {
      over = true;
      // SIGTERM would wait in a process that is stopped.
      child.kill('SIGKILL');
      for (const stream of [stdout, stderr, child.stdin]) stream?.destroy();
      await Promise.race([gone, timeout(GONE_MS_MAX)]);
    },
  };
}

function start({ program, input }: MicrophoneInput) {
  try {
    return lpcm16.record({
      recorder: program,
      sampleRate: MICROPHONE_RATE_HZ,
      channels: 1,
      audioType: 'raw',
      ...(input !== undefined && { device: input }),
    }).process;
  } catch (cause) {
    const text = `Cannot start ${program}: ${(cause as Error).message}`;
    throw new LedgeError('unavailable', text, { cause, retriable: true });
  }
}

function timeout(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds).unref());
}
