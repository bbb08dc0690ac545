import type { PublishPacket } from './client-packet.ts';
import { protocolError, REASON, Violation } from './violation.ts';

/** Topics that one client may name by number: 64 KiB each at most. */
export const INBOUND_ALIASES_MAX = 32;

/**
 * Creates what puts the topic behind a Topic Alias into a PUBLISH, in the order of arrival. It throws a
 * `Violation` for a number that is out of range [MQTT-3.3.2-9] or stands for nothing.
 */
export function createInboundAliases(): (packet: PublishPacket) => void {
  const topics = new Map<number, string>();
  return (packet) => {
    const alias = packet.properties?.topicAlias;
    if (alias === undefined) {
      if (packet.topic.length === 0) throw protocolError('a PUBLISH without a topic');
      return;
    }
    // [MQTT-3.3.2-8]
    if (alias === 0 || alias > INBOUND_ALIASES_MAX) {
      const text = `Topic Alias ${alias} is not between 1 and ${INBOUND_ALIASES_MAX}`;
      throw new Violation(REASON.topicAliasInvalid, text);
    }
    if (packet.topic.length > 0) topics.set(alias, packet.topic);
    const topic = topics.get(alias);
    if (topic === undefined) throw protocolError(`Topic Alias ${alias} stands for no topic`);
    packet.topic = topic;
    // The number means nothing to anyone else.
    if (packet.properties !== undefined) delete packet.properties.topicAlias;
  };
}
