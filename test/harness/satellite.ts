import { setTimeout as delay } from 'node:timers/promises';
import { encodeWav } from '../../src/signal/wav.ts';
import type { HermesPeer } from './hermes.ts';

const RATE_HZ = 16_000;
const FRAME_SAMPLES = 1600;

/** A satellite's microphone: frames of a tenth of a second, one after the other as time goes. */
export interface Satellite extends AsyncDisposable {
  /** What is said next, after what is being said: samples in -1..1 at 16 kHz. */
  play(sound: Float32Array): void;
}

/** Begins to send: silence while nothing is said. */
export function startSatellite(peer: HermesPeer, siteId: string): Satellite {
  let waiting = new Float32Array(0);
  let running = true;

  async function run(): Promise<void> {
    const start = performance.now();
    for (let frame = 1; running; frame++) {
      const sound = new Float32Array(FRAME_SAMPLES);
      sound.set(waiting.subarray(0, FRAME_SAMPLES));
      waiting = waiting.slice(FRAME_SAMPLES);
      await peer.send(`audioServer/${siteId}/audioFrame`, encodeWav(sound, RATE_HZ));
      await delay(Math.max(0, start + (frame * 1e3 * FRAME_SAMPLES) / RATE_HZ - performance.now()));
    }
  }

  const done = run();
  return {
    play(sound) {
      const all = new Float32Array(waiting.length + sound.length);
      all.set(waiting);
      all.set(sound, waiting.length);
      waiting = all;
    },
    async [Symbol.asyncDispose]() {
      running = false;
      await done;
    },
  };
}
