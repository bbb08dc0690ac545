import { encodePublish } from './encode.ts';
import type { OutboundPacket } from './inner-client.ts';

/** Payloads up to this size are joined with what stands before them: one write instead of two. */
const JOINED_BYTES_MAX = 4 * 1024;
/** Topics that one connection knows by number, beside the client's own limit: 32 of 64 KiB. */
const ALIASES_MAX = 32;

/** What a client said of itself in its CONNECT. */
export interface ClientLimits {
  readonly packetBytesMax: number | undefined;
  readonly aliasesMax: number;
}

/** Puts messages with QoS 0 into the form of one connection. */
export interface Wire {
  /** The bytes of a PUBLISH; undefined: the client takes no packet of that size [MQTT-3.1.2-24]. */
  encode(packet: OutboundPacket): readonly Buffer[] | undefined;
}

/** Bytes of a message for every client that gets the same. */
const shared = new WeakMap<object, Map<number, Buffer>>();

/** Creates the writer of one connection. */
export function createWire(version: 4 | 5, { packetBytesMax, aliasesMax }: ClientLimits): Wire {
  const aliases = new Map<string, number>();
  const aliasesMost = Math.min(aliasesMax, ALIASES_MAX);
  const own = aliasesMost > 0 || packetBytesMax !== undefined;

  function encodeWhole(packet: OutboundPacket): readonly Buffer[] | undefined {
    const { retain } = packet;
    const payload = bytesOf(packet.payload);
    const known = aliases.get(packet.topic);
    const fresh = known === undefined && aliases.size < aliasesMost ? aliases.size + 1 : undefined;
    const topic = known === undefined ? packet.topic : '';
    const alias = known ?? fresh;
    const { properties } = packet;
    const subscriptionIds = identifiersOf(properties?.subscriptionIdentifier);
    const expirySeconds = expiryOf(packet);
    const v5 = version === 5 ? { properties, expirySeconds, subscriptionIds, alias } : undefined;
    const head = encodePublish({ topic, payload, qos: 0, retain, dup: false, messageId: 0, v5 });
    const bytes = head.length + payload.length;
    if (packetBytesMax !== undefined && bytes > packetBytesMax) return undefined;
    if (fresh !== undefined) aliases.set(packet.topic, fresh);
    if (payload.length > JOINED_BYTES_MAX) return [head, payload];
    return [Buffer.concat([head, payload], bytes)];
  }

  return {
    encode(packet) {
      if (own || packet.payload.length > JOINED_BYTES_MAX) return encodeWhole(packet);
      const known = shared.get(packet);
      const bytes = known?.get(version);
      if (bytes !== undefined) return [bytes];
      const encoded = encodeWhole(packet);
      const [only] = encoded ?? [];
      if (only !== undefined) {
        if (known === undefined) shared.set(packet, new Map([[version, only]]));
        else known.set(version, only);
      }
      return encoded;
    },
  };
}

/** [MQTT-3.3.2-6] What is left of the message's lifetime. */
function expiryOf({ messageExpiry, properties }: OutboundPacket): number | undefined {
  if (messageExpiry === undefined) return properties?.messageExpiryInterval;
  return Math.max(1, Math.ceil((messageExpiry - Date.now()) / 1_000));
}

function identifiersOf(identifiers: number | readonly number[] | undefined): readonly number[] {
  if (identifiers === undefined) return [];
  return typeof identifiers === 'number' ? [identifiers] : identifiers;
}

function bytesOf(payload: Buffer | string): Buffer {
  return typeof payload === 'string' ? Buffer.from(payload) : payload;
}
