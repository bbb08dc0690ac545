import type { PublishProperties } from '../packet.ts';

/** A PUBLISH as the broker's library hands it around. */
export interface RoutedPublish {
  readonly topic: string;
  readonly payload: Buffer | string;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly properties?: PublishProperties;
  readonly messageId?: number;
  /** Which broker numbered it; null: a retained message for a new subscription. */
  brokerId?: string | null;
  brokerCounter?: number;
  /** Milliseconds since 1970. */
  messageExpiry?: number;
}

/** A message as a session keeps it. */
export interface StoredPacket {
  readonly topic: string;
  readonly payload: Buffer;
  readonly retain: boolean;
  readonly properties?: PublishProperties;
  /** Of the client's subscriptions that take the message [MQTT-3.3.4-4]. */
  readonly identifiers?: readonly number[];
}

/** When a message is worth nothing any more, in milliseconds since 1970. */
export function expiryOf(packet: RoutedPublish, now: number): number | undefined {
  if (packet.messageExpiry !== undefined) return packet.messageExpiry;
  const seconds = packet.properties?.messageExpiryInterval;
  return seconds === undefined || seconds === 0 ? undefined : now + seconds * 1000;
}

/** The bytes of a payload; a copy where it would hold a larger piece of memory. */
export function ownBytes(payload: Buffer | string): Buffer {
  if (typeof payload === 'string') return Buffer.from(payload);
  const spare = payload.buffer.byteLength - payload.length;
  return spare > payload.length + SPARE_BYTES_MAX ? Buffer.from(payload) : payload;
}

/** A view into a larger piece of memory keeps all of it; this little may be wasted. */
const SPARE_BYTES_MAX = 4096;

/** Memory that a message takes, without its place in the lists. */
export function bytesOf(packet: StoredPacket): number {
  const { topic, payload, properties } = packet;
  let sum = payload.length + topic.length;
  if (properties === undefined) return sum;
  sum += properties.contentType?.length ?? 0;
  sum += properties.responseTopic?.length ?? 0;
  sum += properties.correlationData?.length ?? 0;
  for (const [name, values] of Object.entries(properties.userProperties ?? {})) {
    for (const value of typeof values === 'string' ? [values] : values) {
      sum += name.length + value.length;
    }
  }
  return sum;
}
