/** MQTT's protocol level: 4 is 3.1.1, 5 is 5.0. */
export type Protocol = 4 | 5;

/** Packet types as they stand in the first four bits. */
export const PACKET = { connack: 2, publish: 3, puback: 4, suback: 9 } as const;
const CORRELATION_DATA = 0x09;
const RECEIVE_MAXIMUM = 0x21;
const KEEP_ALIVE_S = 600;
/** MQTT 5's own default where the broker names none. */
const RECEIVE_MAXIMUM_DEFAULT = 65_535;
/** The broker may send as much as it likes in one packet: results are small. */
const PACKET_BYTES_MAX = 64 * 1024 * 1024;

/** Sizes of MQTT 5's properties by id: bytes, or how the length is told. [MQTT 5, 2.2.2.2] */
const PROPERTY_SIZES: Readonly<Record<number, number | 'length' | 'pair' | 'varint'>> = {
  1: 1,
  2: 4,
  3: 'length',
  8: 'length',
  9: 'length',
  11: 'varint',
  17: 4,
  18: 'length',
  19: 2,
  21: 'length',
  22: 'length',
  26: 'length',
  28: 'length',
  31: 'length',
  33: 2,
  34: 2,
  35: 2,
  36: 1,
  37: 1,
  38: 'pair',
  39: 4,
  40: 1,
  41: 1,
  42: 1,
};

export function connectFrame(protocol: Protocol, client: string): Buffer {
  const head = Buffer.from([0, 4, 77, 81, 84, 84, protocol, 2, KEEP_ALIVE_S >> 8, KEEP_ALIVE_S]);
  const properties = protocol === 5 ? [Buffer.of(0)] : [];
  return frame(0x10, [head, ...properties, string(client)]);
}

export function subscribeFrame(protocol: Protocol, filters: readonly string[], qos: 0 | 1): Buffer {
  const properties = protocol === 5 ? [Buffer.of(0)] : [];
  const wanted = filters.flatMap((filter) => [string(filter), Buffer.of(qos)]);
  return frame(0x82, [Buffer.of(0, 1), ...properties, ...wanted]);
}

export interface PublishFields {
  readonly protocol: Protocol;
  readonly qos: 0 | 1;
  readonly topic: string;
  readonly payloadBytes: number;
}

/** A PUBLISH up to its payload, with places for the packet id and the correlation data. */
export interface PublishHeader {
  readonly bytes: Buffer;
  /** Where the packet id stands, -1 at QoS 0. */
  readonly packetIdAt: number;
  /** Where four bytes of correlation data stand, -1 at MQTT 3.1.1. */
  readonly correlationAt: number;
}

export function publishHeader({
  protocol,
  qos,
  topic,
  payloadBytes,
}: PublishFields): PublishHeader {
  const name = string(topic);
  const id = qos === 0 ? Buffer.alloc(0) : Buffer.alloc(2);
  const properties =
    protocol === 5 ? Buffer.of(7, CORRELATION_DATA, 0, 4, 0, 0, 0, 0) : Buffer.alloc(0);
  const fields = [name, id, properties];
  const remaining = fields.reduce((sum, field) => sum + field.length, payloadBytes);
  const bytes = Buffer.concat([Buffer.of(0x30 | (qos << 1)), varint(remaining), ...fields]);
  return {
    bytes,
    packetIdAt: qos === 0 ? -1 : bytes.length - properties.length - 2,
    correlationAt: protocol === 5 ? bytes.length - 4 : -1,
  };
}

export function pubackFrame(packetId: number): Buffer {
  return Buffer.of(0x40, 2, packetId >> 8, packetId & 0xff);
}

/** Takes the packets out of a byte stream: `take` gets each one's type, flags and body. */
export function createPacketReader(take: (type: number, flags: number, body: Buffer) => void) {
  let rest: Buffer | undefined;
  return (chunk: Buffer): void => {
    const bytes = rest === undefined ? chunk : Buffer.concat([rest, chunk]);
    rest = undefined;
    let at = 0;
    while (at < bytes.length) {
      const length = readVarint(bytes, at + 1);
      const end = length === undefined ? Number.POSITIVE_INFINITY : length.end + length.value;
      if (end - at > PACKET_BYTES_MAX && end !== Number.POSITIVE_INFINITY) {
        throw new Error(`Cannot read from the broker: a packet of ${end - at} bytes`);
      }
      if (length === undefined || end > bytes.length) {
        rest = bytes.subarray(at);
        return;
      }
      const first = bytes[at]!;
      take(first >> 4, first & 0x0f, bytes.subarray(length.end, end));
      at = end;
    }
  };
}

/** A received PUBLISH: offsets into its body, so that a message costs no object but this one. */
export interface ReceivedPublish {
  readonly body: Buffer;
  readonly topicEnd: number; // the topic starts at 2
  readonly packetId: number; // 0 at QoS 0
  /** The four bytes that this program put there; undefined where there are none. */
  readonly correlation: number | undefined;
  readonly payloadAt: number;
}

export function parsePublish(protocol: Protocol, flags: number, body: Buffer): ReceivedPublish {
  const topicEnd = 2 + body.readUInt16BE(0);
  const qos = (flags >> 1) & 3;
  const packetId = qos === 0 ? 0 : body.readUInt16BE(topicEnd);
  let payloadAt = topicEnd + (qos === 0 ? 0 : 2);
  let correlation: number | undefined;
  if (protocol === 5) {
    const properties = readVarint(body, payloadAt);
    if (properties === undefined) throw new Error('Cannot read a PUBLISH: no property length');
    payloadAt = properties.end + properties.value;
    const at = findProperty(body, properties.end, payloadAt, CORRELATION_DATA);
    if (at !== undefined && body.readUInt16BE(at) === 4) correlation = body.readUInt32BE(at + 2);
  }
  return { body, topicEnd, packetId, correlation, payloadAt };
}

/** How many unacknowledged QoS 1 messages the broker takes; throws where it refused. */
export function parseConnack(protocol: Protocol, body: Buffer): number {
  if (body[1] !== 0) throw new Error(`Cannot connect: the broker's reason code is ${body[1]}`);
  if (protocol === 4) return RECEIVE_MAXIMUM_DEFAULT;
  const properties = readVarint(body, 2);
  if (properties === undefined) return RECEIVE_MAXIMUM_DEFAULT;
  const end = properties.end + properties.value;
  const at = findProperty(body, properties.end, end, RECEIVE_MAXIMUM);
  return at === undefined ? RECEIVE_MAXIMUM_DEFAULT : body.readUInt16BE(at);
}

/** Where the value of a property starts; undefined where it is not among them. */
function findProperty(body: Buffer, from: number, end: number, wanted: number): number | undefined {
  let at = from;
  while (at < end) {
    const id = body[at]!;
    at += 1;
    if (id === wanted) return at;
    const size = PROPERTY_SIZES[id];
    if (size === undefined) throw new Error(`Cannot read a packet: property ${id}`);
    if (size === 'varint') at = readVarint(body, at)?.end ?? end;
    else if (typeof size === 'number') at += size;
    else at += 2 + body.readUInt16BE(at);
    if (size === 'pair') at += 2 + body.readUInt16BE(at);
  }
  return undefined;
}

function frame(first: number, fields: readonly Buffer[]): Buffer {
  const body = Buffer.concat(fields);
  return Buffer.concat([Buffer.of(first), varint(body.length), body]);
}

function string(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.of(bytes.length >> 8, bytes.length & 0xff), bytes]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  do {
    const low = rest % 128;
    rest = Math.floor(rest / 128);
    bytes.push(rest > 0 ? low | 0x80 : low);
  } while (rest > 0);
  return Buffer.from(bytes);
}

function readVarint(bytes: Buffer, from: number): { value: number; end: number } | undefined {
  let value = 0;
  let scale = 1;
  for (let at = from; at < from + 4; at += 1) {
    const byte = bytes[at];
    if (byte === undefined) return undefined;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return { value, end: at + 1 };
    scale *= 128;
  }
  throw new Error('Cannot read a packet: its length does not end');
}
