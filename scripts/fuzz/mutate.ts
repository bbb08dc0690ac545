import type { Random } from './random.ts';

/** Bytes at which parsers change their mind: ends of lengths, signs, escapes, structure. */
const TELLING = [
  0x00, 0x01, 0x7f, 0x80, 0xff, 0xfe, 0x22, 0x5b, 0x7b, 0x2f, 0x20, 0x0a, 0xc0, 0xed,
];
/** Numbers of four bytes at which lengths go wrong. */
const LENGTHS = [0, 1, 0x7f, 0x80, 0xff, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff];
/** Bytes that one piece repeats at most, so that inputs stay small. */
const PIECE_MAX = 64;

type Edit = (bytes: Buffer, random: Random) => Buffer;

const EDITS: readonly Edit[] = [
  (bytes, random) => {
    bytes[random.below(bytes.length)]! ^= 1 << random.below(8);
    return bytes;
  },
  (bytes, random) => {
    bytes[random.below(bytes.length)] = random.pick(TELLING);
    return bytes;
  },
  (bytes, random) => {
    bytes[random.below(bytes.length)] = random.below(256);
    return bytes;
  },
  (bytes, random) => bytes.subarray(0, random.below(bytes.length)),
  (bytes, random) => bytes.subarray(random.below(bytes.length)),
  (bytes, random) => {
    if (bytes.length < 4) return bytes;
    const at = random.below(bytes.length - 3);
    const value = random.pick(LENGTHS);
    if (random.oneIn(2)) bytes.writeUInt32LE(value, at);
    else bytes.writeUInt32BE(value, at);
    return bytes;
  },
  (bytes, random) => {
    const { before, piece, after } = cut(bytes, random);
    return Buffer.concat([before, piece, piece, after]);
  },
  (bytes, random) => {
    const { before, after } = cut(bytes, random);
    return Buffer.concat([before, after]);
  },
  (bytes, random) => {
    const { before, piece, after } = cut(bytes, random);
    return Buffer.concat([before, random.bytes(1 + random.below(8)), piece, after]);
  },
  (bytes, random) => {
    const { before, piece, after } = cut(bytes, random);
    const other = cut(bytes, random).piece;
    return Buffer.concat([before, other, after, piece]);
  },
];

/** One to four random changes of a copy of the bytes; a seed gives the same again. */
export function mutate(bytes: Uint8Array, random: Random): Uint8Array {
  let changed: Buffer = Buffer.from(bytes);
  for (let count = 1 + random.below(4); count > 0 && changed.length > 0; count -= 1) {
    changed = random.pick(EDITS)(changed, random);
  }
  return changed;
}

function cut(bytes: Buffer, random: Random) {
  const from = random.below(bytes.length);
  const to = Math.min(bytes.length, from + 1 + random.below(PIECE_MAX));
  return {
    before: bytes.subarray(0, from),
    piece: bytes.subarray(from, to),
    after: bytes.subarray(to),
  };
}
