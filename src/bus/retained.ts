import type { PublishFields } from './packet.ts';

/** A retained message as the broker keeps it. */
export interface RetainedPacket extends PublishFields {
  /** Milliseconds since 1970; set where the publisher gave a message expiry interval. */
  readonly messageExpiry?: number;
}

/** The retained messages that a new subscription gets, with what is left of their lifetime. */
export function retainedFor(
  kept: { retained(filter: string): readonly RetainedPacket[] },
  filter: string,
): readonly RetainedPacket[] {
  const now = Date.now();
  return kept.retained(filter).map((packet) => {
    const { messageExpiry, properties } = packet;
    if (messageExpiry === undefined) return packet;
    // [MQTT-3.3.2-6]
    const messageExpiryInterval = Math.max(1, Math.ceil((messageExpiry - now) / 1000));
    return { ...packet, properties: { ...properties, messageExpiryInterval } };
  });
}
