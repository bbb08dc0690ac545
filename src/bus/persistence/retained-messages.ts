import { matches } from '../filter.ts';
import type { PublishProperties } from '../packet.ts';
import type { RetainedPacket } from '../retained.ts';
import { createSaver } from './saver.ts';
import { KEYS, keyOf, type SessionDisk } from './session-disk.ts';
import type { Tell } from './session-limits.ts';
import { ENTRY_BYTES, type SessionLimits } from './session-limits.ts';
import {
  decodeRetained,
  encodeRecord,
  keptProperties,
  type RetainedRecord,
} from './session-record.ts';
import { bytesOf, expiryOf, ownBytes, type RoutedPublish } from './stored-packet.ts';

/** The last message of each topic that was published to stay. */
export interface RetainedMessages {
  readonly messages: number;
  readonly bytes: number;
  /** How many were not kept for want of room. */
  readonly refused: number;
  /** Keeps or clears; resolves once that is on disk. An empty payload clears [MQTT-3.3.1-6]. */
  store(packet: RoutedPublish): Promise<void>;
  /** What a new subscription gets, as it was published: each lifetime is the original one. */
  match(filter: string): readonly RetainedPacket[];
  /** Takes one record that was read from disk; false where it is none. */
  restore(key: string, value: Uint8Array): boolean;
}

interface RetainedOptions {
  readonly disk: SessionDisk;
  readonly limits: SessionLimits;
  readonly now: () => number;
  readonly tell: Tell;
}

interface Kept {
  readonly packet: RetainedPacket;
  readonly bytes: number;
}

/** Creates the retained messages of one broker. */
export function createRetained({ disk, limits, now, tell }: RetainedOptions): RetainedMessages {
  const kept = new Map<string, Kept>();
  let bytes = 0;
  let refused = 0;
  let told = false;
  const save = createSaver((topic) => {
    const found = kept.get(topic);
    const key = KEYS.retained(keyOf(topic));
    if (found === undefined) return disk.insist([{ kind: 'delete', key }]);
    return disk.insist([{ kind: 'put', key, value: encodeRecord(recordOf(found.packet)) }]);
  });

  function forget(topic: string): void {
    bytes -= kept.get(topic)?.bytes ?? 0;
    kept.delete(topic);
  }

  function keep(packet: RetainedPacket): boolean {
    const before = kept.get(packet.topic);
    const size = sizeOf(packet);
    const full = before === undefined && kept.size >= limits.retainedMessagesMax;
    if (full || bytes - (before?.bytes ?? 0) + size > limits.retainedBytesMax) return false;
    kept.set(packet.topic, { packet, bytes: size });
    bytes += size - (before?.bytes ?? 0);
    return true;
  }

  function refuse(topic: string): void {
    refused += 1;
    if (!told) tell('overflow', `Did not retain a message on "${topic}": too many are retained`);
    told = true;
  }

  function restore(key: string, value: Uint8Array): boolean {
    const record = decodeRetained(value);
    if (record === undefined || KEYS.retained(keyOf(record.topic)) !== key) return false;
    const packet = restored(record);
    const over = packet.messageExpiry !== undefined && packet.messageExpiry <= now();
    if (over || !keep(packet)) {
      if (!over) refuse(packet.topic);
      void save(packet.topic);
    }
    return true;
  }

  return {
    get messages() {
      return kept.size;
    },
    get bytes() {
      return bytes;
    },
    get refused() {
      return refused;
    },
    store(packet) {
      const { topic } = packet;
      if (packet.payload.length === 0) {
        if (!kept.has(topic)) return Promise.resolve();
        forget(topic);
        told = false;
        return save(topic);
      }
      const next = packetOf(packet, now());
      if (!keep(next)) {
        refuse(topic);
        return Promise.resolve();
      }
      return disk.lasting ? save(topic) : Promise.resolve();
    },
    match(filter) {
      const found: RetainedPacket[] = [];
      const time = now();
      const take = (packet: RetainedPacket) => {
        if (packet.messageExpiry === undefined || packet.messageExpiry > time) found.push(packet);
        else {
          forget(packet.topic);
          void save(packet.topic);
        }
      };
      if (!/[+#]/.test(filter)) {
        const one = kept.get(filter);
        if (one !== undefined) take(one.packet);
        return found;
      }
      for (const [topic, { packet }] of kept) if (matches(filter, topic)) take(packet);
      return found;
    },
    restore,
  };
}

function packetOf(packet: RoutedPublish, now: number): RetainedPacket {
  const { topic, qos } = packet;
  const properties = keptProperties(packet.properties);
  const messageExpiry = expiryOf(packet, now);
  return {
    topic,
    payload: ownBytes(packet.payload),
    qos,
    retain: true,
    ...(properties !== undefined && { properties }),
    ...(messageExpiry !== undefined && { messageExpiry }),
  };
}

function recordOf(packet: RetainedPacket): RetainedRecord {
  const { topic, payload, qos, properties, messageExpiry } = packet;
  return {
    topic,
    payload: ownBytes(payload),
    qos,
    retain: true,
    properties,
    expiresAt: messageExpiry,
  };
}

function restored({ topic, payload, qos, properties, expiresAt }: RetainedRecord): RetainedPacket {
  const kept = keptProperties(properties as PublishProperties | undefined);
  return {
    topic,
    payload: ownBytes(payload),
    qos,
    retain: true,
    ...(kept !== undefined && { properties: kept }),
    ...(expiresAt !== undefined && { messageExpiry: expiresAt }),
  };
}

function sizeOf(packet: RetainedPacket): number {
  return ENTRY_BYTES + bytesOf({ ...packet, payload: packet.payload as Buffer, retain: true });
}
