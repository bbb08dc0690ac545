import { mutate } from './mutate.ts';
import type { Random } from './random.ts';

/** How a session speaks. */
export interface Dialect {
  readonly version: 3 | 4 | 5;
  /** Client ids begin with it, so that a run's clients are told from others. */
  readonly prefix: string;
}

const TEXTS: readonly Buffer[] = [
  ...['a', 'a/b', 'fuzz/x/y', '$SYS/x', '$share/g/a', '$share/g', '#', '+', '+/#', 'a+', 'a/#/b'],
  ...['', '/', '//', 'constructor', '__proto__', 'toString', 'hasOwnProperty', 'valueOf', 'null'],
  ...['x'.repeat(300), '/'.repeat(100), 'a/'.repeat(200), '\ufeffa', 'a\u0001b', '\u{1f600}'],
].map((text) => Buffer.from(text));
/** No UTF-8, or none that MQTT takes [MQTT-1.5.4-1] [MQTT-1.5.4-2]. */
const WRONG_TEXTS: readonly Buffer[] = ['00', 'eda080', 'c080', 'ff', 'f4908080', '6100', 'e2'].map(
  (hex) => Buffer.from(hex, 'hex'),
);

/** Properties of MQTT 5 by how their value is written [MQTT 2.2.2.2]. */
const PROPERTIES: readonly (readonly [id: number, form: Form])[] = [
  ...([0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2a] as const).map((id) => [id, 'byte'] as const),
  ...([0x13, 0x21, 0x22, 0x23] as const).map((id) => [id, 'two'] as const),
  ...([0x02, 0x11, 0x18, 0x27] as const).map((id) => [id, 'four'] as const),
  ...([0x03, 0x08, 0x12, 0x15, 0x1a, 0x1c, 0x1f] as const).map((id) => [id, 'text'] as const),
  ...([0x09, 0x16] as const).map((id) => [id, 'text'] as const),
  [0x0b, 'varint'],
  [0x26, 'pair'],
  [0x00, 'byte'],
  [0x7f, 'four'],
];
type Form = 'byte' | 'two' | 'four' | 'text' | 'pair' | 'varint';

/** Packets of one connection: a CONNECT that is mostly good, then anything a client may send, or not. */
export function sessionPackets(random: Random, dialect: Dialect, count: number): Buffer[] {
  const packets = [random.oneIn(12) ? anyPacket(random, dialect) : connect(random, dialect)];
  while (packets.length < count) packets.push(anyPacket(random, dialect));
  return packets;
}

/** One packet, three in four of them good by the grammar, the others bent. */
export function anyPacket(random: Random, dialect: Dialect): Buffer {
  const make = random.pick(MAKERS);
  const packet = make(random, dialect);
  if (!random.oneIn(4)) return packet;
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
  publish,
  publish,
  publish,
  (random, dialect) => acknowledgement(random.pick([4, 5, 6, 7]), random, dialect),
  subscribe,
  (random, dialect) => unsubscribe(random, dialect),
  () => Buffer.from('c000', 'hex'),
  disconnect,
  (random, dialect) => (random.oneIn(6) ? connect(random, dialect) : publish(random, dialect)),
  (random) => packet(15, 0, [Buffer.from([random.below(256)]), soup(random)]),
  (random) =>
    packet(random.below(16), random.below(16), [Buffer.from(random.bytes(random.below(20)))]),
];

function connect(random: Random, { version, prefix }: Dialect): Buffer {
  const five = version === 5;
  const will = random.oneIn(4);
  const user = random.oneIn(5);
  const password = random.oneIn(6);
  const flags =
    (random.oneIn(3) ? 0 : 2) |
    (will ? 4 | (random.below(3) << 3) | (random.oneIn(3) ? 32 : 0) : 0) |
    (user ? 128 : 0) |
    (password ? 64 : 0) |
    (random.oneIn(30) ? 1 : 0);
  const id = random.oneIn(12) ? anyText(random) : Buffer.from(`${prefix}${random.below(50)}`);
  const level = random.oneIn(40) ? random.below(256) : version;
  return packet(1, random.oneIn(40) ? 1 : 0, [
    text(Buffer.from(version === 3 ? 'MQIsdp' : random.oneIn(40) ? 'MQTt' : 'MQTT')),
    Buffer.from([level, flags]),
    two(random.pick([0, 1, 60, 65_535])),
    five ? soup(random) : EMPTY,
    text(id),
    ...(will ? [five ? soup(random) : EMPTY, text(anyText(random)), text(anyText(random))] : []),
    ...(user ? [text(anyText(random))] : []),
    ...(password ? [text(anyText(random))] : []),
  ]);
}

function publish(random: Random, { version }: Dialect): Buffer {
  const qos = random.oneIn(30) ? 3 : random.below(3);
  const flags = (random.oneIn(8) ? 8 : 0) | (qos << 1) | (random.oneIn(10) ? 1 : 0);
  return packet(3, flags, [
    text(anyText(random)),
    qos > 0 ? two(packetId(random)) : EMPTY,
    version === 5 ? soup(random) : EMPTY,
    Buffer.from(random.bytes(random.oneIn(200) ? 5000 : random.below(16))),
  ]);
}

function acknowledgement(type: number, random: Random, { version }: Dialect): Buffer {
  const code = random.oneIn(4) ? random.below(256) : 0;
  const rest = version === 5 && random.oneIn(2) ? [Buffer.from([code]), soup(random)] : [];
  return packet(type, type === 6 ? 2 : 0, [two(packetId(random)), ...rest]);
}

function subscribe(random: Random, { version }: Dialect): Buffer {
  const filters = Array.from({ length: random.oneIn(20) ? 40 : random.below(4) }, () => [
    text(anyText(random)),
    Buffer.from([random.oneIn(8) ? random.below(256) : random.below(3)]),
  ]);
  return packet(8, 2, [
    two(packetId(random)),
    version === 5 ? soup(random) : EMPTY,
    ...filters.flat(),
  ]);
}

function unsubscribe(random: Random, { version }: Dialect): Buffer {
  const filters = Array.from({ length: random.below(4) }, () => text(anyText(random)));
  return packet(10, 2, [two(packetId(random)), version === 5 ? soup(random) : EMPTY, ...filters]);
}

function disconnect(random: Random, { version }: Dialect): Buffer {
  if (!random.oneIn(3)) return Buffer.from('c000', 'hex');
  const rest = version === 5 ? [Buffer.from([random.below(256)]), soup(random)] : [];
  return packet(14, 0, rest);
}

/** Properties, good ones or anything: of another packet, twice, cut, with a length that is wrong. */
function soup(random: Random): Buffer {
  if (random.oneIn(2)) return Buffer.from([0]);
  const parts = Array.from({ length: random.below(5) }, () => property(random));
  if (random.oneIn(6) && parts[0] !== undefined) parts.push(parts[0]);
  let body = Buffer.concat(parts);
  if (random.oneIn(8) && body.length > 0) body = body.subarray(0, random.below(body.length));
  const told = random.oneIn(10) ? random.below(body.length * 2 + 300) : body.length;
  return Buffer.concat([length(told), body]);
}

function property(random: Random): Buffer {
  const [id, form] = random.pick(PROPERTIES);
  return Buffer.concat([Buffer.from([id]), FORMS[form](random)]);
}

const FORMS: Readonly<Record<Form, (random: Random) => Buffer>> = {
  byte: (random) => Buffer.from([random.oneIn(4) ? random.below(256) : random.below(2)]),
  two: (random) => two(random.pick([0, 1, 2, 10, 65_535])),
  four: (random) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(random.pick([0, 1, 30, 0xffff, 0xffffffff]));
    return bytes;
  },
  text: (random) => text(anyText(random)),
  pair: (random) => Buffer.concat([text(anyText(random)), text(anyText(random))]),
  varint: (random) => length(random.pick([0, 1, 127, 128, 268_435_455])),
};

const EMPTY = Buffer.alloc(0);

function packet(type: number, flags: number, parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([(type << 4) | flags]), length(body.length), body]);
}

function anyText(random: Random): Buffer {
  return random.oneIn(25) ? random.pick(WRONG_TEXTS) : random.pick(TEXTS);
}

/** A text behind its length of two bytes. */
function text(bytes: Buffer): Buffer {
  return Buffer.concat([two(bytes.length), bytes]);
}

function two(value: number): Buffer {
  return Buffer.from([(value >> 8) & 0xff, value & 0xff]);
}

function packetId(random: Random): number {
  return random.oneIn(20) ? 0 : 1 + random.below(20);
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
