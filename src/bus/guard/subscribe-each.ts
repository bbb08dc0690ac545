import type { SubscribePacket } from './client-packet.ts';
import { encodeSuback } from './encode.ts';
import type { InnerClient } from './inner-client.ts';
import { filterCode } from './judge.ts';
import { REASON } from './violation.ts';

/** Filters of one client: each is kept, and looked at for every message that is stored for it. */
const SUBSCRIPTIONS_MAX = 4_096;

/**
 * Grants the filters of a SUBSCRIBE one by one and answers with a code for each, in their order
 * [MQTT-3.8.4-6]; the library would answer once for a filter that stands there twice.
 */
export function subscribeEach(
  client: InnerClient,
  packet: SubscribePacket,
  done: () => void,
): void {
  const { subscriptions, messageId, properties } = packet;
  const version = client.version ?? 4;
  const codes: number[] = subscriptions.map(() => REASON.unspecified);
  let left = subscriptions.length;
  let room = SUBSCRIPTIONS_MAX - Object.keys(client.subscriptions).length;

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
    if (!Object.hasOwn(client.subscriptions, subscription.topic)) {
      room -= 1;
      if (room < 0) {
        answer(at, version === 5 ? REASON.quotaExceeded : REASON.unspecified);
        continue;
      }
    }
    const request = { subscriptions: [subscription], ...(properties ? { properties } : {}) };
    client.subscribe(request, (error) => {
      // What was granted, or why not, stands in the request once the library is through with it.
      queueMicrotask(() => answer(at, error ? REASON.unspecified : subscription.qos));
    });
  }
}
