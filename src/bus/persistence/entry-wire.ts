import { encodeAck, encodePublish } from '../guard/encode.ts';
import type { Entry } from './entry-queue.ts';
import type { SessionClient } from './session.ts';

/** What became of an entry on its way out; `too-large`: over what the client takes. */
export type Sent = 'sent' | 'too-large';

/** Payloads up to this size are joined with what stands before them: one write instead of two. */
const JOINED_BYTES_MAX = 4 * 1024;

/** Writes an entry that has its packet in memory to a connection. */
export function sendEntry(client: SessionClient, entry: Entry, now: number): Sent {
  const { conn, maximumPacketSize } = client;
  const { id: messageId, packet, qos, tried: dup } = entry;
  if (entry.kind === 'released' || packet === undefined) {
    conn.write(encodeAck('pubrel', messageId, 0));
    return 'sent';
  }
  const { topic, payload, retain, properties, identifiers = [] } = packet;
  const expirySeconds = secondsLeft(entry.expiresAt, now);
  const v5 =
    client.version === 5
      ? { properties, expirySeconds, subscriptionIds: identifiers, alias: undefined }
      : undefined;
  const head = encodePublish({ topic, payload, qos, retain, dup, messageId, v5 });
  const bytes = head.length + payload.length;
  // [MQTT-3.1.2-24], [MQTT-3.1.2-25]
  if (maximumPacketSize !== undefined && bytes > maximumPacketSize) return 'too-large';
  if (payload.length > JOINED_BYTES_MAX) {
    conn.write(head);
    conn.write(payload);
  } else {
    conn.write(Buffer.concat([head, payload], bytes));
  }
  return 'sent';
}

/** [MQTT-3.3.2-6]; what was begun is finished after its time, too. */
function secondsLeft(expiresAt: number | undefined, now: number): number | undefined {
  return expiresAt === undefined ? undefined : Math.max(1, Math.ceil((expiresAt - now) / 1000));
}
