import type {
  AckPacket,
  ClientPacket,
  DisconnectPacket,
  PublishPacket,
  Qos,
  SubscribePacket,
  SubscriptionRequest,
  UnsubscribePacket,
} from './client-packet.ts';
import { decodeConnect } from './decode-connect.ts';
import { PacketReader } from './packet-reader.ts';
import { IN, type Properties, readProperties } from './properties.ts';
import { malformed, protocolError } from './violation.ts';

/** Where one packet stands in a piece of memory. */
export interface FramePlace {
  readonly bytes: Buffer;
  /** Its first byte: type and flags. */
  readonly start: number;
  /** Its first byte behind the fixed header. */
  readonly body: number;
  readonly end: number;
}

/** How the packets of one connection are read. */
export interface Dialect {
  /** Undefined before the CONNECT. */
  readonly version: 3 | 4 | 5 | undefined;
  /** Subscriptions of a mosquitto bridge on 3.1.1 want no echo. */
  readonly bridgeMode: boolean;
}

const TYPE = {
  connect: 1,
  publish: 3,
  puback: 4,
  pubrec: 5,
  pubrel: 6,
  pubcomp: 7,
  subscribe: 8,
  unsubscribe: 10,
  pingreq: 12,
  disconnect: 14,
} as const;

const ACK_NAMES = { 4: 'puback', 5: 'pubrec', 6: 'pubrel', 7: 'pubcomp' } as const;

const PUBACK_CODES: ReadonlySet<number> = new Set([
  0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99,
]);
const PUBREL_CODES: ReadonlySet<number> = new Set([0x00, 0x92]);
/** What a client may say when it leaves [MQTT table 3-10]. */
const DISCONNECT_CODES: ReadonlySet<number> = new Set([
  0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99,
]);

/**
 * Reads one packet of a client: MQTT 3.1, 3.1.1 or 5. Every length is checked against the packet, every
 * reserved bit against the standard. Throws a `Violation`; bytes of the result share the frame's memory.
 */
export function decode(frame: FramePlace, dialect: Dialect): ClientPacket {
  const { bytes, start, body, end } = frame;
  const first = bytes[start] as number;
  const type = first >> 4;
  const reader = new PacketReader(bytes, body, end);
  const { version } = dialect;
  if (type === TYPE.publish && version !== undefined) return decodePublish(reader, first, version);
  checkFlags(type, first & 0x0f);
  // [MQTT-3.1.0-1] [MQTT-3.1.0-2]
  if (version === undefined) {
    if (type !== TYPE.connect) throw protocolError('the first packet is no CONNECT');
    return decodeConnect(reader);
  }
  switch (type) {
    case TYPE.connect:
      throw protocolError('a second CONNECT');
    case TYPE.puback:
    case TYPE.pubrec:
    case TYPE.pubrel:
    case TYPE.pubcomp:
      return decodeAck(reader, type, version);
    case TYPE.subscribe:
      return decodeSubscribe(reader, dialect);
    case TYPE.unsubscribe:
      return decodeUnsubscribe(reader, version);
    case TYPE.pingreq: {
      reader.finish('the PINGREQ');
      return { cmd: 'pingreq', length: 0, ...UNFLAGGED };
    }
    case TYPE.disconnect:
      return decodeDisconnect(reader, version);
    default:
      throw protocolError(`packet type ${type} is not for a server, or not served`);
  }
}

const UNFLAGGED = { qos: 0, dup: false, retain: false } as const;

/** [MQTT-2.1.3-1] The flags of every type but PUBLISH are fixed. */
function checkFlags(type: number, flags: number): void {
  const wanted =
    type === TYPE.pubrel || type === TYPE.subscribe || type === TYPE.unsubscribe ? 2 : 0;
  if (type === TYPE.publish) return;
  if (flags !== wanted) throw malformed(`packet type ${type} has reserved flags set`);
}

function decodePublish(reader: PacketReader, first: number, version: 3 | 4 | 5): PublishPacket {
  const length = reader.left;
  const qos = (first >> 1) & 0x03;
  const dup = (first & 0x08) !== 0;
  // [MQTT-3.3.1-4] [MQTT-3.3.1-2]
  if (qos === 3) throw malformed('a PUBLISH with QoS 3');
  if (qos === 0 && dup) throw malformed('a PUBLISH with QoS 0 that says it is sent again');
  const topic = reader.text('the topic');
  const messageId = qos > 0 ? readId(reader) : undefined;
  const properties = version === 5 ? readProperties(reader, IN.publish) : undefined;
  const packet: PublishPacket = {
    cmd: 'publish',
    length,
    qos: qos as Qos,
    dup,
    retain: (first & 0x01) !== 0,
    topic,
    payload: reader.rest(),
    ...(messageId === undefined ? {} : { messageId }),
  };
  if (properties !== undefined) packet.properties = properties;
  return packet;
}

function decodeAck(reader: PacketReader, type: 4 | 5 | 6 | 7, version: 3 | 4 | 5): AckPacket {
  const length = reader.left;
  const cmd = ACK_NAMES[type];
  const messageId = readId(reader);
  let reasonCode = 0;
  let properties: Properties | undefined;
  if (version === 5 && reader.left > 0) {
    reasonCode = reader.byte(`the reason code of a ${cmd}`);
    const codes = type <= TYPE.pubrec ? PUBACK_CODES : PUBREL_CODES;
    if (!codes.has(reasonCode)) throw protocolError(`a ${cmd} with reason code ${reasonCode}`);
    if (reader.left > 0) properties = readProperties(reader, IN.ack);
  }
  reader.finish(`the ${cmd}`);
  return withProperties<AckPacket>(
    { cmd, length, ...UNFLAGGED, messageId, reasonCode },
    properties,
  );
}

function decodeSubscribe(reader: PacketReader, { version, bridgeMode }: Dialect): SubscribePacket {
  const length = reader.left;
  const messageId = readId(reader);
  const properties = version === 5 ? readProperties(reader, IN.subscribe) : undefined;
  // [MQTT-3.8.3-2]
  if (reader.left === 0) throw protocolError('a SUBSCRIBE without a filter');
  const subscriptions: SubscriptionRequest[] = [];
  while (reader.left > 0) {
    const topic = reader.text('a filter');
    const options = reader.byte('the options of a filter');
    const qos = options & 0x03;
    // [MQTT-3.8.3-5] and [MQTT-3.8.3-4] of 3.1.1
    if (qos === 3) throw malformed('a filter with QoS 3');
    if ((options & (version === 5 ? 0xc0 : 0xfc)) !== 0) {
      throw malformed('a filter with reserved options set');
    }
    if (version !== 5) {
      const forBridge = bridgeMode ? { nl: true, rap: true, rh: 0 } : {};
      subscriptions.push({ topic, qos, ...forBridge });
      continue;
    }
    const rh = (options >> 4) & 0x03;
    if (rh === 3) throw protocolError('a filter with Retain Handling 3');
    const nl = (options & 0x04) !== 0;
    subscriptions.push({ topic, qos, nl, rap: (options & 0x08) !== 0, rh });
  }
  const packet = { cmd: 'subscribe', length, ...UNFLAGGED, messageId, subscriptions } as const;
  return withProperties<SubscribePacket>(packet, properties);
}

function decodeUnsubscribe(reader: PacketReader, version: 3 | 4 | 5): UnsubscribePacket {
  const length = reader.left;
  const messageId = readId(reader);
  const properties = version === 5 ? readProperties(reader, IN.unsubscribe) : undefined;
  // [MQTT-3.10.3-2]
  if (reader.left === 0) throw protocolError('an UNSUBSCRIBE without a filter');
  const unsubscriptions: string[] = [];
  while (reader.left > 0) unsubscriptions.push(reader.text('a filter'));
  const packet = { cmd: 'unsubscribe', length, ...UNFLAGGED, messageId, unsubscriptions } as const;
  return withProperties<UnsubscribePacket>(packet, properties);
}

function decodeDisconnect(reader: PacketReader, version: 3 | 4 | 5): DisconnectPacket {
  const length = reader.left;
  let reasonCode = 0;
  let properties: Properties | undefined;
  if (version === 5 && reader.left > 0) {
    reasonCode = reader.byte('the reason code of a DISCONNECT');
    if (!DISCONNECT_CODES.has(reasonCode)) {
      throw protocolError(`a DISCONNECT with reason code ${reasonCode}`);
    }
    if (reader.left > 0) properties = readProperties(reader, IN.disconnect);
  }
  reader.finish('the DISCONNECT');
  const packet = { cmd: 'disconnect', length, ...UNFLAGGED, reasonCode } as const;
  return withProperties<DisconnectPacket>(packet, properties);
}

/** [MQTT-2.2.1-3] A packet identifier is not 0. */
function readId(reader: PacketReader): number {
  const id = reader.uint16('the packet identifier');
  if (id === 0) throw protocolError('a packet identifier of 0');
  return id;
}

function withProperties<Packet extends { properties?: Properties }>(
  packet: Packet,
  properties: Properties | undefined,
): Packet {
  return properties === undefined ? packet : { ...packet, properties };
}
