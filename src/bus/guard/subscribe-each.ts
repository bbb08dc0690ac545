import type { SubscribePacket } from './client-packet.ts';
import { encodeSuback } from './encode.ts';
import type { InnerClient } from './inner-client.ts';
import { filterCode } from './judge.ts';
import { REASON } from './violation.ts';

/** A SUBSCRIBE, and what its client may have. */
export interface SubscribeRequest {
  readonly packet: SubscribePacket;
  /** The door refuses one more; this says why. */
  readonly subscriptionsMax: number;
  /** Called once it is answered. */
  readonly done: () => void;
}

/**
 * Grants the filters of a SUBSCRIBE one by one and answers with a code for each, in their order
 * [MQTT-3.8.4-6]; the library would answer once for a filter that stands there twice.
 */
export function subscribeEach(client: InnerClient, request: SubscribeRequest): void {
  const { packet, subscriptionsMax, done } = request;
  const { subscriptions, messageId, properties } = packet;
  const version = client.version ?? 4;
  const codes: number[] = subscriptions.map(() => REASON.unspecified);
  let left = subscriptions.length;
  let room = subscriptionsMax - Object.keys(client.subscriptions).length;

  function answer(at: number, code: number): void {
    codes[at] = code;
    left -= 1;
    if (left > 0 || client.conn.destroyed || client.conn.writableEnded) return;
    client.conn.write(encodeSuback(messageId, codes, version));
    done();
  }

  for (const [at, subscription] of subscriptions.entries()) {
    const code = filterCode(subscription.topic, version);
    if (code !== REASON.success) {
      answer(at, code);
      continue;
    }
    if (!Object.hasOwn(client.subscriptions, subscription.topic)) room -= 1;
    const full = room < 0;
    const one = { subscriptions: [subscription], ...(properties ? { properties } : {}) };
    client.subscribe(one, (error) => {
      // What was granted, or why not, stands in the request once the library is through with it.
      queueMicrotask(() => {
        const granted = error ? REASON.unspecified : subscription.qos;
        const tooMany = full && version === 5 && granted >= REASON.unspecified;
        answer(at, tooMany ? REASON.quotaExceeded : granted);
      });
    });
  }
}
