import type { Message, MessageProperties } from './bus.ts';

/** What both MQTT libraries call a PUBLISH: the fields of it that a message has. */
export interface PublishFields {
  topic: string;
  payload: Buffer | string;
  qos: 0 | 1 | 2;
  retain: boolean;
  properties?: PublishProperties;
}

/** The MQTT 5 properties of a PUBLISH as both libraries spell them. */
export interface PublishProperties {
  payloadFormatIndicator?: boolean;
  messageExpiryInterval?: number;
  responseTopic?: string;
  correlationData?: Buffer;
  userProperties?: Record<string, string | string[]>;
  contentType?: string;
}

/** The message of a PUBLISH. Its payload shares memory with the packet: read it, never transfer it. */
export function messageOf(
  packet: PublishFields,
  as: { readonly qos: 0 | 1 | 2; readonly retain: boolean },
): Message {
  const payload = typeof packet.payload === 'string' ? Buffer.from(packet.payload) : packet.payload;
  const { topic, properties } = packet;
  const known = properties === undefined ? undefined : propertiesOf(properties);
  if (known === undefined) return { topic, payload, qos: as.qos, retain: as.retain };
  return { topic, payload, qos: as.qos, retain: as.retain, properties: known };
}

/** The fields of a message as the libraries take them. The payload is not copied. */
export function fieldsOf(message: Message): PublishFields {
  const { topic, qos, retain, properties } = message;
  const payload = bytesOf(message.payload);
  if (properties === undefined) return { topic, payload, qos, retain };
  return { topic, payload, qos, retain, properties: wireProperties(properties) };
}

/** The QoS a subscriber gets: what was published, at most what it asked for [MQTT-3.8.4-8]. */
export function grantedQos(published: 0 | 1 | 2, asked: 0 | 1 | 2): 0 | 1 | 2 {
  if (published === 0 || asked === 0) return 0;
  return published === 1 || asked === 1 ? 1 : 2;
}

function propertiesOf(wire: PublishProperties): MessageProperties | undefined {
  const found: { -readonly [Key in keyof MessageProperties]: MessageProperties[Key] } = {};
  let any = false;
  if (wire.contentType !== undefined) {
    found.contentType = wire.contentType;
    any = true;
  }
  if (wire.responseTopic !== undefined) {
    found.responseTopic = wire.responseTopic;
    any = true;
  }
  if (wire.correlationData !== undefined) {
    found.correlationData = wire.correlationData;
    any = true;
  }
  if (wire.messageExpiryInterval !== undefined) {
    found.messageExpiryInterval = wire.messageExpiryInterval;
    any = true;
  }
  if (wire.payloadFormatIndicator !== undefined) {
    found.payloadFormatIndicator = wire.payloadFormatIndicator;
    any = true;
  }
  if (wire.userProperties !== undefined) {
    found.userProperties = { ...wire.userProperties };
    any = true;
  }
  return any ? found : undefined;
}

function wireProperties(properties: MessageProperties): PublishProperties {
  const wire: PublishProperties = {};
  if (properties.contentType !== undefined) wire.contentType = properties.contentType;
  if (properties.responseTopic !== undefined) wire.responseTopic = properties.responseTopic;
  if (properties.correlationData !== undefined) {
    wire.correlationData = bytesOf(properties.correlationData);
  }
  if (properties.messageExpiryInterval !== undefined) {
    wire.messageExpiryInterval = properties.messageExpiryInterval;
  }
  if (properties.payloadFormatIndicator !== undefined) {
    wire.payloadFormatIndicator = properties.payloadFormatIndicator;
  }
  if (properties.userProperties !== undefined) {
    wire.userProperties = { ...properties.userProperties };
  }
  return wire;
}

function bytesOf(bytes: Uint8Array): Buffer {
  if (Buffer.isBuffer(bytes)) return bytes;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
