import type { Door, PublishRefusal } from './door.ts';
import type { DoorClient } from './visitor.ts';

/** A message of a client, as the broker's library asks about it. */
export interface AskedPublish {
  readonly cmd?: string;
  readonly topic: string;
  readonly qos: 0 | 1 | 2;
  readonly messageId?: number;
  /** The library then neither routes nor acknowledges the message. */
  _notAuthorized?: boolean;
}

const PUBACK = 0x40;
const PUBREC = 0x50;

/** Whether the library asks about a will: the last message of a client that is gone. */
export function isWill(packet: AskedPublish): boolean {
  return packet.cmd !== 'publish';
}

/**
 * Acknowledges a message without routing it: with the reason in MQTT 5; in MQTT 3.1.1, which has no word for
 * it, as mosquitto does, with a plain acknowledgement. The connection stays.
 */
export function refusePublish(
  client: DoorClient & { readonly version?: number | null },
  packet: AskedPublish,
  reason: PublishRefusal,
): void {
  packet._notAuthorized = true;
  const { qos, messageId } = packet;
  if (qos === 0 || messageId === undefined || client.conn.destroyed) return;
  const head = qos === 1 ? PUBACK : PUBREC;
  const id = [messageId >> 8, messageId & 0xff];
  const bytes = client.version === 5 ? [head, 3, ...id, reason] : [head, 2, ...id];
  client.conn.write(Buffer.from(bytes));
}

/** The part of the broker's library that keeps subscriptions. */
interface SubscriptionStore {
  addSubscriptions(client: object, subscriptions: readonly object[]): Promise<unknown>;
}

/** Keeps refused subscriptions out of sessions: the library stores all of a packet if one is granted. */
export function keepGrantedOnly(broker: object, door: Door): void {
  const { persistence: store } = broker as { readonly persistence: SubscriptionStore };
  const add = store.addSubscriptions.bind(store);
  store.addSubscriptions = async (client, subscriptions) => {
    // The library stores the first before it asks about the second.
    await undefined;
    await add(
      client,
      subscriptions.filter((one) => !door.wasRefused(one)),
    );
  };
}
