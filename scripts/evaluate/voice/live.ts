import type { Bus } from '../../../src/bus/bus.ts';
import { RATE_HZ } from './sounds.ts';

/** What a microphone sends at a time: 80 ms. */
export const CHUNK = RATE_HZ * 0.08;
/** How often it is looked which chunks are due. */
const TICK_MS = 5;

/** A sound that a live device is to play, and what is told of it. */
export interface Stretch {
  readonly samples: Int16Array;
  /** Called once, when its first sample is due; `at` gives when any of its samples was heard. */
  begun?(device: string, at: (sample: number) => number): void;
}

/** How well the pace was kept: chunks were sent so late, ms. */
export interface Pace {
  readonly chunks: number;
  readonly lateMsMax: number;
  readonly lateMsP99: number;
}

interface Player {
  readonly device: string;
  readonly startMs: number;
  sent: number;
  /** Samples that wait to be sent, and where they begin in the device's sound. */
  readonly queue: Int16Array[];
  queued: number;
  /** Chunks so far, for `seq`. */
  count: number;
}

/**
 * Plays stretches on so many live devices at once, each at the pace of a microphone: a chunk is sent
 * when its last sample was heard. Resolves when all were played.
 */
export async function playLive(
  bus: Bus,
  devices: readonly string[],
  stretches: readonly Stretch[],
): Promise<Pace> {
  const waiting = [...stretches];
  const late: number[] = [];
  const begin = performance.now();
  const players = devices.map((device, index): Player => {
    // Not all in one moment: microphones are started by people.
    const startMs = begin + (index * 80) / devices.length;
    return { device, startMs, sent: 0, queue: [], queued: 0, count: 0 };
  });

  function refill(player: Player): void {
    while (player.queued < CHUNK) {
      const next = waiting.shift();
      if (next === undefined) return;
      const from = player.sent + player.queued;
      next.begun?.(player.device, (sample) => player.startMs + ((from + sample) / RATE_HZ) * 1e3);
      player.queue.push(next.samples);
      player.queued += next.samples.length;
    }
  }

  function take(player: Player): Int16Array {
    const chunk = new Int16Array(CHUNK);
    let at = 0;
    while (at < CHUNK && player.queue.length > 0) {
      const first = player.queue[0]!;
      const part = first.subarray(0, CHUNK - at);
      chunk.set(part, at);
      at += part.length;
      if (part.length === first.length) player.queue.shift();
      else player.queue[0] = first.subarray(part.length);
    }
    player.queued -= at;
    player.sent += CHUNK;
    return chunk;
  }

  function send(player: Player): boolean {
    refill(player);
    if (player.queued === 0) return false;
    const dueMs = player.startMs + ((player.sent + CHUNK) / RATE_HZ) * 1e3;
    const now = performance.now();
    if (now < dueMs) return true;
    late.push(now - dueMs);
    const chunk = take(player);
    const payload = Buffer.from(chunk.buffer);
    const properties = { userProperties: { seq: String(player.count++) } };
    const topic = `ledge/in/voice/${player.device}`;
    bus.publish({ topic, payload, qos: 0, retain: false, properties }).catch(() => undefined);
    return true;
  }

  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      const busy = players.filter(send);
      if (busy.length > 0) return;
      clearInterval(timer);
      resolve();
    }, TICK_MS);
  });
  late.sort((a, b) => a - b);
  return {
    chunks: late.length,
    lateMsMax: late.at(-1) ?? 0,
    lateMsP99: late[Math.floor(late.length * 0.99)] ?? 0,
  };
}
