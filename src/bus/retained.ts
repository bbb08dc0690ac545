import type { Readable } from 'node:stream';
import { matches } from './filter.ts';
import type { PublishFields } from './packet.ts';

/** A retained message as the broker's library keeps it. */
export interface RetainedPacket extends PublishFields {
  /** Milliseconds since 1970; set where the publisher gave a message expiry interval. */
  readonly messageExpiry?: number;
}

/** The part of the broker's library that its types leave out. */
interface RetainedStore {
  createRetainedStreamCombi(filters: readonly string[]): Readable;
}

/** The retained messages that a new subscription gets, with what is left of their lifetime. */
export async function retainedMatches(
  broker: object,
  filter: string,
): Promise<readonly RetainedPacket[]> {
  const { persistence } = broker as { readonly persistence: RetainedStore };
  const found: RetainedPacket[] = [];
  const now = Date.now();
  for await (const packet of persistence.createRetainedStreamCombi([filter])) {
    const retained = packet as RetainedPacket;
    if (!matches(filter, retained.topic)) continue;
    const { messageExpiry, properties } = retained;
    if (messageExpiry === undefined) {
      found.push(retained);
    } else if (messageExpiry > now) {
      // [MQTT-3.3.2-6]
      const messageExpiryInterval = Math.ceil((messageExpiry - now) / 1000);
      found.push({ ...retained, properties: { ...properties, messageExpiryInterval } });
    }
  }
  return found;
}
