import type { Bus, Message } from '../../bus/bus.ts';
import { toMono } from '../../signal/pcm.ts';
import { encodeWav } from '../../signal/wav.ts';
import { LedgeError } from '../../std/error.ts';
import { BYTES_PER_SECOND, SAMPLE_RATE_HZ, type SoundIntake } from './sound.ts';

/** Chunks of less than 20 ms are put together: each is an event for every flow that listens. */
const STREAM_BYTES_MIN = BYTES_PER_SECOND / 50;
/** One event holds at most a second: far below what any flow takes. */
const STREAM_BYTES_MAX = BYTES_PER_SECOND;
/**
 * Silence after a stream, as long as any model of a wake word listens back: what was said last is heard
 * to its end, and is not heard again by whoever gets the device name next.
 */
const TAIL_SECONDS = 2;

/** Where the sound of one audio-start..audio-stop goes. */
export interface StreamTarget {
  readonly bus: Bus;
  readonly device: string;
  /** Comes back with every result of this sound. */
  readonly correlation: string;
}

/** One audio-start..audio-stop on its way. */
export interface SoundStream {
  readonly intake: SoundIntake;
  readonly correlation: string;
  /** Milliseconds of sound so far. */
  readonly heardMs: number;
  push(bytes: Uint8Array): Promise<void>;
  /** Hands over the rest. */
  end(): Promise<void>;
}

/** Publishes sound as it comes, on `ledge/in/voice/<device>`. */
export function createLiveStream(intake: SoundIntake, target: StreamTarget): SoundStream {
  let waiting = new Uint8Array(0);
  let bytes = 0;

  async function publish(sound: Uint8Array, least: number): Promise<void> {
    bytes += sound.byteLength;
    const all = new Uint8Array(waiting.byteLength + sound.byteLength);
    all.set(waiting);
    all.set(sound, waiting.byteLength);
    let at = 0;
    while (all.byteLength - at >= least) {
      const end = Math.min(all.byteLength, at + STREAM_BYTES_MAX);
      await target.bus.publish(voiceMessage('voice', target, all.subarray(at, end)));
      at = end;
    }
    waiting = all.slice(at);
  }

  return {
    intake,
    correlation: target.correlation,
    get heardMs() {
      return Math.round((bytes * 1000) / BYTES_PER_SECOND);
    },
    push: (chunk) => publish(intake.push(chunk), STREAM_BYTES_MIN),
    async end() {
      await publish(intake.flush(), 2);
      for (let second = 0; second < TAIL_SECONDS; second++) {
        const silence = new Uint8Array(BYTES_PER_SECOND);
        await target.bus.publish(voiceMessage('voice', target, silence));
      }
    },
  };
}

/** Collects one clip, and publishes it as WAV on `ledge/in/command/<device>` at its end. */
export function createClipStream(
  intake: SoundIntake,
  target: StreamTarget,
  secondsMax: number,
): SoundStream {
  const parts: Uint8Array[] = [];
  let bytes = 0;

  function keep(sound: Uint8Array): void {
    bytes += sound.byteLength;
    if (bytes > secondsMax * BYTES_PER_SECOND) {
      parts.length = 0;
      const text = `Cannot take a command of more than ${secondsMax} s`;
      throw new LedgeError('payload-too-large', text, { context: { secondsMax } });
    }
    if (sound.byteLength > 0) parts.push(sound);
  }

  return {
    intake,
    correlation: target.correlation,
    get heardMs() {
      return Math.round((bytes * 1000) / BYTES_PER_SECOND);
    },
    async push(chunk) {
      keep(intake.push(chunk));
    },
    async end() {
      keep(intake.flush());
      const samples = toMono(Buffer.concat(parts), { format: 'int16', channels: 1 });
      await target.bus.publish(voiceMessage('command', target, encodeWav(samples, SAMPLE_RATE_HZ)));
    },
  };
}

function voiceMessage(
  kind: 'voice' | 'command',
  { device, correlation }: StreamTarget,
  payload: Uint8Array,
): Message {
  return {
    topic: `ledge/in/${kind}/${device}`,
    payload,
    // A stream goes on by itself; a command is one message that must arrive.
    qos: kind === 'voice' ? 0 : 1,
    retain: false,
    properties: { correlationData: Buffer.from(correlation) },
  };
}
