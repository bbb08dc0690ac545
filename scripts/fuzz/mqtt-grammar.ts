import { mutate } from './mutate.ts';
import type { Random } from './random.ts';

/** How a session speaks. */
export interface Dialect {
  readonly version: 3 | 4 | 5;
  /** Client ids begin with it, so that a run's clients are told from others. */
  readonly prefix: string;
}

/** One in so many packets is bent: most connections then come far enough to have a state. */
const BENT_ONE_IN = 24;
/** One in so many texts, properties and values is not what belongs there. */
const WRONG_ONE_IN = 40;

const TOPICS: readonly Buffer[] = [
  ...['a', 'a/b', 'fuzz/x/y', '/', '//', 'constructor', '__proto__', 'toString', 'valueOf'],
  ...['x'.repeat(300), 'a/'.repeat(20), '\u{1f600}', 'hasOwnProperty/then', 'null'],
].map((text) => Buffer.from(text));
const FILTERS: readonly Buffer[] = [
  ...TOPICS,
  ...['#', '+', '+/#', 'a/+', 'fuzz/#', '__proto__/+', '$SYS/#'].map((text) => Buffer.from(text)),
];
const TEXTS: readonly Buffer[] = [
  ...FILTERS,
  ...['', '$SYS/x', '$share/g/a', '$share/g', 'a+', 'a/#/b', '/'.repeat(100), 'a/'.repeat(200)],
  ...['\ufeffa', 'a\u0001b'],
].map((text) => Buffer.from(text));
/** No UTF-8, or none that MQTT takes [MQTT-1.5.4-1] [MQTT-1.5.4-2]. */
const WRONG_TEXTS: readonly Buffer[] = ['00', 'eda080', 'c080', 'ff', 'f4908080', '6100', 'e2'].map(
  (hex) => Buffer.from(hex, 'hex'),
);

/** Properties of MQTT 5 by how their value is written [MQTT 2.2.2.2]; the last three are none. */
const FORMS_OF: ReadonlyMap<number, Form> = new Map<number, Form>([
  ...[0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2a, 0x00].map((id) => [id, 'byte'] as const),
  ...[0x13, 0x21, 0x22, 0x23].map((id) => [id, 'two'] as const),
  ...[0x02, 0x11, 0x18, 0x27, 0x7f].map((id) => [id, 'four'] as const),
  ...[0x03, 0x08, 0x09, 0x12, 0x15, 0x16, 0x1a, 0x1c, 0x1f].map((id) => [id, 'text'] as const),
  [0x0b, 'varint'],
  [0x26, 'pair'],
  [0x30, 'text'],
]);
const ANY = [...FORMS_OF.keys()];
/** The properties that a client may send, by packet [MQTT table 2-4]. */
const ALLOWED = {
  connect: [0x11, 0x21, 0x27, 0x22, 0x19, 0x17, 0x26],
  will: [0x18, 0x01, 0x02, 0x03, 0x08, 0x09, 0x26],
  publish: [0x01, 0x02, 0x03, 0x08, 0x09, 0x23, 0x26],
  acknowledgement: [0x1f, 0x26],
  subscribe: [0x0b, 0x26],
  unsubscribe: [0x26],
  disconnect: [0x11, 0x1f, 0x26],
} as const;
type Place = keyof typeof ALLOWED;
type Form = 'byte' | 'two' | 'four' | 'text' | 'pair' | 'varint';

/** Packets of one connection: a CONNECT that is mostly good, then anything a client may send, or not. */
export function sessionPackets(random: Random, dialect: Dialect, count: number): Buffer[] {
  const packets = [random.oneIn(40) ? anyPacket(random, dialect) : connect(random, dialect)];
  while (packets.length < count) packets.push(anyPacket(random, dialect));
  return packets;
}

/** One packet, good by the grammar or bent. */
export function anyPacket(random: Random, dialect: Dialect): Buffer {
  const make = random.pick(MAKERS);
  const packet = make(random, dialect);
  if (!random.oneIn(BENT_ONE_IN)) return packet;
  switch (random.below(5)) {
    case 0:
      return Buffer.from(mutate(packet, random));
    case 1: // another length than there is
      return Buffer.concat([
        packet.subarray(0, 1),
        length(random.below(1 << 20)),
        packet.subarray(2),
      ]);
    case 2: // a length that does not end, or is not the shortest
      return Buffer.concat([
        packet.subarray(0, 1),
        Buffer.from(random.oneIn(2) ? 'ffffffff7f' : '808000', 'hex'),
        packet.subarray(2),
      ]);
    case 3: {
      const other = Buffer.from(packet);
      other[0] = random.below(256);
      return other;
    }
    default:
      return Buffer.concat([packet, random.bytes(1 + random.below(6))]);
  }
}

type Maker = (random: Random, dialect: Dialect) => Buffer;

const MAKERS: readonly Maker[] = [
  ...[publish, publish, publish, publish, subscribe, subscribe, unsubscribe],
  ...[acknowledgement, acknowledgement, acknowledgement, ping, ping, rare],
];

/** What ends most connections: leaving, a second CONNECT, an AUTH, packets of a server, noise. */
function rare(random: Random, dialect: Dialect): Buffer {
  switch (random.below(8)) {
    case 0:
      return packet(14, 0, dialect.version === 5 ? [byte(random), soup('disconnect', random)] : []);
    case 1:
      return connect(random, dialect);
    case 2:
      return packet(15, 0, [byte(random), soup('connect', random)]);
    case 3:
      return packet(random.below(16), random.below(16), [
        Buffer.from(random.bytes(random.below(20))),
      ]);
    default:
      return publish(random, dialect);
  }
}

function ping(): Buffer {
  return Buffer.from('c000', 'hex');
}

function byte(random: Random): Buffer {
  return Buffer.from([random.below(256)]);
}

function connect(random: Random, { version, prefix }: Dialect): Buffer {
  const five = version === 5;
  const will = random.oneIn(4);
  const user = random.oneIn(5);
  const password = user && random.oneIn(2);
  const flags =
    (random.oneIn(3) ? 0 : 2) |
    (will ? 4 | (random.below(3) << 3) | (random.oneIn(3) ? 32 : 0) : 0) |
    (user ? 128 : 0) |
    (password ? 64 : 0) |
    (random.oneIn(30) ? 1 : 0);
  const id = random.oneIn(20) ? anyText(random) : Buffer.from(`${prefix}${random.below(50)}`);
  const level = random.oneIn(40) ? random.below(256) : version;
  return packet(1, random.oneIn(40) ? 1 : 0, [
    text(Buffer.from(version === 3 ? 'MQIsdp' : random.oneIn(40) ? 'MQTt' : 'MQTT')),
    Buffer.from([level, flags]),
    two(random.pick([0, 1, 60, 65_535])),
    five ? soup('connect', random) : EMPTY,
    text(id),
    ...(will
      ? [five ? soup('will', random) : EMPTY, text(topic(random)), text(topic(random))]
      : []),
    ...(user ? [text(topic(random))] : []),
    ...(password ? [text(topic(random))] : []),
  ]);
}

function publish(random: Random, { version }: Dialect): Buffer {
  const qos = random.oneIn(100) ? 3 : random.below(3);
  const flags = (qos > 0 && random.oneIn(8) ? 8 : 0) | (qos << 1) | (random.oneIn(10) ? 1 : 0);
  return packet(3, flags, [
    text(topic(random)),
    qos > 0 ? two(packetId(random)) : EMPTY,
    version === 5 ? soup('publish', random) : EMPTY,
    Buffer.from(random.bytes(random.oneIn(200) ? 5000 : random.below(16))),
  ]);
}

function acknowledgement(random: Random, { version }: Dialect): Buffer {
  const type = random.pick([4, 5, 6, 6, 7]);
  const code = random.oneIn(WRONG_ONE_IN) ? random.below(256) : 0;
  const rest =
    version === 5 && random.oneIn(2) ? [Buffer.from([code]), soup('acknowledgement', random)] : [];
  return packet(type, type === 6 ? 2 : 0, [two(packetId(random)), ...rest]);
}

function subscribe(random: Random, { version }: Dialect): Buffer {
  const filters = Array.from({ length: random.oneIn(40) ? 40 : 1 + random.below(3) }, () => [
    text(filter(random)),
    Buffer.from([random.oneIn(WRONG_ONE_IN) ? random.below(256) : random.below(3)]),
  ]);
  return packet(8, 2, [
    two(packetId(random)),
    version === 5 ? soup('subscribe', random) : EMPTY,
    ...filters.flat(),
  ]);
}

function unsubscribe(random: Random, { version }: Dialect): Buffer {
  const filters = Array.from({ length: 1 + random.below(3) }, () => text(filter(random)));
  return packet(10, 2, [
    two(packetId(random)),
    version === 5 ? soup('unsubscribe', random) : EMPTY,
    ...filters,
  ]);
}

/** Properties, good ones or anything: of another packet, twice, cut, with a length that is wrong. */
function soup(place: Place, random: Random): Buffer {
  if (random.oneIn(2)) return Buffer.from([0]);
  const ids = new Set(Array.from({ length: random.below(4) }, () => random.pick(ALLOWED[place])));
  const parts = [...ids].map((id) =>
    property(random.oneIn(WRONG_ONE_IN) ? random.pick(ANY) : id, random),
  );
  if (random.oneIn(WRONG_ONE_IN) && parts[0] !== undefined) parts.push(parts[0]);
  let body = Buffer.concat(parts);
  if (random.oneIn(WRONG_ONE_IN) && body.length > 0)
    body = body.subarray(0, random.below(body.length));
  const told = random.oneIn(WRONG_ONE_IN) ? random.below(body.length * 2 + 300) : body.length;
  return Buffer.concat([length(told), body]);
}

function property(id: number, random: Random): Buffer {
  const form = FORMS_OF.get(id) ?? 'byte';
  return Buffer.concat([Buffer.from([id]), FORMS[form](random)]);
}

const FORMS: Readonly<Record<Form, (random: Random) => Buffer>> = {
  byte: (random) => Buffer.from([random.oneIn(WRONG_ONE_IN) ? random.below(256) : random.below(2)]),
  two: (random) => two(random.oneIn(WRONG_ONE_IN) ? 0 : random.pick([1, 2, 10, 65_535])),
  four: (random) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(random.pick([20, 30, 0xffff, 0xffffffff, 65_536]));
    return bytes;
  },
  text: (random) => text(topic(random)),
  pair: (random) => Buffer.concat([text(topic(random)), text(topic(random))]),
  varint: (random) =>
    length(random.oneIn(WRONG_ONE_IN) ? 0 : random.pick([1, 127, 128, 268_435_455])),
};

const EMPTY = Buffer.alloc(0);

function packet(type: number, flags: number, parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([(type << 4) | flags]), length(body.length), body]);
}

function topic(random: Random): Buffer {
  return random.oneIn(WRONG_ONE_IN) ? anyText(random) : random.pick(TOPICS);
}

function filter(random: Random): Buffer {
  return random.oneIn(WRONG_ONE_IN) ? anyText(random) : random.pick(FILTERS);
}

function anyText(random: Random): Buffer {
  return random.oneIn(4) ? random.pick(WRONG_TEXTS) : random.pick(TEXTS);
}

/** A text behind its length of two bytes. */
function text(bytes: Buffer): Buffer {
  return Buffer.concat([two(bytes.length), bytes]);
}

function two(value: number): Buffer {
  return Buffer.from([(value >> 8) & 0xff, value & 0xff]);
}

function packetId(random: Random): number {
  return random.oneIn(200) ? 0 : 1 + random.below(20);
}

/** A variable byte integer [MQTT 1.5.5]. */
function length(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  do {
    bytes.push((rest % 128) | (rest >= 128 ? 128 : 0));
    rest = Math.floor(rest / 128);
  } while (rest > 0);
  return Buffer.from(bytes);
}
