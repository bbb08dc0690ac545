import type { Bus, Subscription } from '../bus/bus.ts';
import type { Clock } from '../std/clock.ts';
import { LedgeError } from '../std/error.ts';

/** Bytes of the events that are waited for, together. */
const BYTES_MAX = 67_108_864;

export interface CollectOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly topic: string;
  readonly count: number;
  readonly withinSeconds: number;
  readonly signal: AbortSignal;
}

/** The next events of a topic, as they come. Throws `timeout`, saying how many came, `closed`. */
export async function collectEvents(options: CollectOptions): Promise<readonly Uint8Array[]> {
  const { bus, clock, topic, count, withinSeconds, signal } = options;
  const events: Uint8Array[] = [];
  let bytes = 0;
  let cancel: (() => void) | undefined;
  let subscription: Subscription | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      cancel = clock.after(withinSeconds * 1000, () => {
        const state = `${events.length} of ${count} came in ${withinSeconds} s on ${topic}`;
        reject(new LedgeError('timeout', `Cannot collect events: ${state}`, { retriable: true }));
      });
      const stop = () => reject(new LedgeError('closed', 'Cannot collect events: the node stops'));
      if (signal.aborted) stop();
      else signal.addEventListener('abort', stop, { once: true });
      const subscribed = bus.subscribe(topic, { qos: 1 }, (delivery) => {
        delivery.accept();
        delivery.settle();
        // A retained message is the last event of before, which nobody means now.
        if (delivery.message.retain || events.length >= count) return;
        events.push(Uint8Array.from(delivery.message.payload));
        bytes += delivery.message.payload.byteLength;
        if (bytes > BYTES_MAX) {
          const state = `they have more than ${BYTES_MAX} bytes`;
          reject(new LedgeError('payload-too-large', `Cannot collect events: ${state}`));
        } else if (events.length === count) resolve();
      });
      subscribed.then((opened) => (subscription = opened), reject);
    });
    return events;
  } finally {
    cancel?.();
    await subscription?.close();
  }
}
