import type { Qos } from './client-packet.ts';
import { type UserProperties, userPropertyPairs } from './properties.ts';

/** Properties of a PUBLISH that go on to subscribers; others of the packet are its publisher's. */
export interface ForwardedProperties {
  readonly payloadFormatIndicator?: boolean;
  readonly contentType?: string;
  readonly responseTopic?: string;
  readonly correlationData?: Buffer;
  readonly userProperties?: UserProperties;
}

/** A PUBLISH to a client. */
export interface PublishFrame {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly dup: boolean;
  /** For QoS 1 and 2. */
  readonly messageId: number;
  /** Undefined: MQTT 3.1 or 3.1.1. */
  readonly v5:
    | {
        readonly properties: ForwardedProperties | undefined;
        readonly expirySeconds: number | undefined;
        readonly subscriptionIds: readonly number[];
        readonly alias: number | undefined;
      }
    | undefined;
}

/** What one subscription identifier takes at most. */
const IDENTIFIER_BYTES = 5;

/** The bytes of a PUBLISH up to its payload, which is written behind them [MQTT 3.3]. */
export function encodePublish(frame: PublishFrame): Buffer {
  const { topic, payload, qos, v5 } = frame;
  const topicBytes = Buffer.byteLength(topic);
  const properties = v5 === undefined ? undefined : encodeProperties(v5);
  const propertyBytes =
    properties === undefined ? 0 : variableBytes(properties.length) + properties.length;
  const length = 2 + topicBytes + (qos > 0 ? 2 : 0) + propertyBytes + payload.length;
  const headBytes = 1 + variableBytes(length) + length - payload.length;
  const out = Buffer.allocUnsafe(headBytes);
  out[0] = 0x30 | (frame.dup ? 8 : 0) | (qos << 1) | (frame.retain ? 1 : 0);
  let at = writeVariable(out, length, 1);
  at = out.writeUInt16BE(topicBytes, at);
  at += out.write(topic, at);
  if (qos > 0) at = out.writeUInt16BE(frame.messageId, at);
  if (properties !== undefined) {
    at = writeVariable(out, properties.length, at);
    properties.copy(out, at);
  }
  return out;
}

const NO_PROPERTIES = Buffer.alloc(0);

function encodeProperties(v5: NonNullable<PublishFrame['v5']>): Buffer {
  const { properties, expirySeconds, subscriptionIds, alias } = v5;
  const plain = expirySeconds === undefined && alias === undefined && subscriptionIds.length === 0;
  if (plain && properties === undefined) return NO_PROPERTIES;
  const parts: Buffer[] = [];
  if (properties?.payloadFormatIndicator !== undefined) {
    parts.push(Buffer.from([0x01, properties.payloadFormatIndicator ? 1 : 0]));
  }
  if (expirySeconds !== undefined) {
    const part = Buffer.allocUnsafe(5);
    part[0] = 0x02;
    part.writeUInt32BE(expirySeconds, 1);
    parts.push(part);
  }
  pushText(parts, 0x03, properties?.contentType);
  pushText(parts, 0x08, properties?.responseTopic);
  if (properties?.correlationData !== undefined) {
    pushBytes(parts, 0x09, properties.correlationData);
  }
  for (const id of subscriptionIds) {
    const part = Buffer.allocUnsafe(IDENTIFIER_BYTES);
    part[0] = 0x0b;
    parts.push(part.subarray(0, writeVariable(part, id, 1)));
  }
  if (alias !== undefined) parts.push(Buffer.from([0x23, alias >> 8, alias & 0xff]));
  if (properties?.userProperties !== undefined) {
    for (const [name, value] of userPropertyPairs(properties.userProperties)) {
      pushText(parts, 0x26, name);
      pushText(parts, undefined, value);
    }
  }
  return Buffer.concat(parts);
}

function pushText(parts: Buffer[], id: number | undefined, text: string | undefined): void {
  if (text !== undefined) pushBytes(parts, id, Buffer.from(text));
}

function pushBytes(parts: Buffer[], id: number | undefined, bytes: Buffer): void {
  const start = id === undefined ? 0 : 1;
  const head = Buffer.allocUnsafe(start + 2);
  if (id !== undefined) head[0] = id;
  head.writeUInt16BE(bytes.length, start);
  parts.push(head, bytes);
}

/** A DISCONNECT of a server, which only MQTT 5 has. */
export function encodeDisconnect(reasonCode: number): Buffer {
  return Buffer.from([0xe0, 2, reasonCode, 0]);
}

/** A CONNACK that refuses: a return code for 3.1.1, a reason code for MQTT 5. */
export function encodeRefusal(version: 4 | 5, code: number): Buffer {
  return Buffer.from(version === 5 ? [0x20, 3, 0, code, 0] : [0x20, 2, 0, code]);
}

/** A SUBACK with a code per filter. */
export function encodeSuback(
  messageId: number,
  codes: readonly number[],
  version: 3 | 4 | 5,
): Buffer {
  const length = 2 + (version === 5 ? 1 : 0) + codes.length;
  const out = Buffer.allocUnsafe(1 + variableBytes(length) + length);
  out[0] = 0x90;
  let at = writeVariable(out, length, 1);
  at = out.writeUInt16BE(messageId, at);
  if (version === 5) {
    out[at] = 0;
    at += 1;
  }
  for (const code of codes) {
    out[at] = code;
    at += 1;
  }
  return out;
}

const ACK_BYTES = { puback: 0x40, pubrec: 0x50, pubrel: 0x62 } as const;

/** A PUBACK, PUBREC or PUBREL. A reason other than success only exists in MQTT 5. */
export function encodeAck(
  cmd: keyof typeof ACK_BYTES,
  messageId: number,
  reasonCode: number,
): Buffer {
  const id = [messageId >> 8, messageId & 0xff];
  if (reasonCode === 0) return Buffer.from([ACK_BYTES[cmd], 2, ...id]);
  return Buffer.from([ACK_BYTES[cmd], 3, ...id, reasonCode]);
}

function variableBytes(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  return value < 0x200000 ? 3 : 4;
}

function writeVariable(out: Buffer, value: number, from: number): number {
  let rest = value;
  let at = from;
  do {
    const byte = rest & 0x7f;
    rest >>= 7;
    out[at] = rest > 0 ? byte | 0x80 : byte;
    at += 1;
  } while (rest > 0);
  return at;
}
