import type { Message, MessageProperties } from '../bus.ts';

/** The bytes of a PUBLISH as it goes over the wire [MQTT 3.3, 5.0]. */
export function publishBytes(message: Message, protocol: '5' | '3.1.1'): number {
  const { topic, payload, qos } = message;
  const properties = protocol === '5' ? propertyBytes(message.properties) : 0;
  const head = 2 + Buffer.byteLength(topic) + (qos === 0 ? 0 : 2);
  const body = head + properties + payload.byteLength;
  return 1 + lengthBytes(body) + body;
}

/** The properties with their own length before them; 1 where there are none. */
function propertyBytes(properties: MessageProperties | undefined): number {
  if (properties === undefined) return 1;
  let bytes = 0;
  if (properties.payloadFormatIndicator !== undefined) bytes += 2;
  if (properties.messageExpiryInterval !== undefined) bytes += 5;
  if (properties.contentType !== undefined) bytes += 1 + textBytes(properties.contentType);
  if (properties.responseTopic !== undefined) bytes += 1 + textBytes(properties.responseTopic);
  if (properties.correlationData !== undefined) bytes += 3 + properties.correlationData.byteLength;
  for (const [name, values] of Object.entries(properties.userProperties ?? {})) {
    for (const value of [values].flat()) bytes += 1 + textBytes(name) + textBytes(value);
  }
  return lengthBytes(bytes) + bytes;
}

function textBytes(text: string): number {
  return 2 + Buffer.byteLength(text);
}

/** A length takes 7 bits a byte [MQTT 1.5.5]. */
function lengthBytes(length: number): number {
  if (length < 128) return 1;
  if (length < 16_384) return 2;
  return length < 2_097_152 ? 3 : 4;
}
