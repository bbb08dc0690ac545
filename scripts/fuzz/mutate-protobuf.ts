import type { Random } from './random.ts';

/** A field as it lies: where its tag, its length and its payload start, and where it ends. */
interface Place {
  readonly tag: number;
  readonly length: number;
  readonly payload: number;
  readonly end: number;
  readonly wireType: number;
}

/** Varints at which readers go wrong: too long, too large, not shortest, not ended. */
const VARINTS = [
  [0x00],
  [0x01],
  [0x7f],
  [0x80, 0x00],
  [0x80, 0x80, 0x80, 0x80, 0x00],
  [0xff, 0xff, 0xff, 0xff, 0x07],
  [0xff, 0xff, 0xff, 0xff, 0x0f],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  [0x80],
].map((bytes) => Buffer.from(bytes));

/** Levels that are followed to find a field: models nest three for each graph. */
const LEVELS_MAX = 40;

/** Changes a message by its fields: a length, a tag, a number, a field twice, moved, or left out. */
export function mutateProtobuf(bytes: Uint8Array, random: Random): Uint8Array {
  const whole = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const place = findField(whole, random);
  if (place === undefined) return bytes;
  const { tag, length, payload, end } = place;
  const before = whole.subarray(0, tag);
  const field = whole.subarray(tag, end);
  const after = whole.subarray(end);
  switch (random.below(8)) {
    case 0: // another length or number
      return splice(whole, { from: length, to: place.wireType === 0 ? end : payload }, random);
    case 1: // another tag
      return splice(whole, { from: tag, to: length }, random);
    case 2: {
      const other = Buffer.from(whole);
      other[tag] = random.below(256);
      return other;
    }
    case 3:
      return Buffer.concat([before, after]);
    case 4: {
      const times = random.oneIn(10) ? 200 : 2;
      return Buffer.concat([before, ...Array.from({ length: times }, () => field), after]);
    }
    case 5: {
      const other = findField(whole, random) ?? place;
      return Buffer.concat([before, whole.subarray(other.tag, other.end), after]);
    }
    case 6: // within itself: a graph in a graph
      return Buffer.concat([whole.subarray(0, payload), whole.subarray(0, end), after]);
    default:
      return Buffer.concat([whole.subarray(0, payload), random.bytes(random.below(12)), after]);
  }
}

function splice(whole: Buffer, { from, to }: { from: number; to: number }, random: Random): Buffer {
  return Buffer.concat([whole.subarray(0, from), random.pick(VARINTS), whole.subarray(to)]);
}

/** A field of the message, or of a message in it, at a random depth. */
function findField(bytes: Buffer, random: Random): Place | undefined {
  let found: Place | undefined;
  let [from, to] = [0, bytes.length];
  for (let level = 0; level < LEVELS_MAX; level += 1) {
    const places = fieldsOf(bytes, from, to);
    if (places === undefined || places.length === 0) return found;
    found = random.pick(places);
    if (found.wireType !== 2 || random.oneIn(4)) return found;
    [from, to] = [found.payload, found.end];
  }
  return found;
}

/** The fields that fill a range exactly; undefined where it is no message. */
function fieldsOf(bytes: Buffer, from: number, to: number): readonly Place[] | undefined {
  const places: Place[] = [];
  for (let at = from; at < to; ) {
    const tag = at;
    const length = afterVarint(bytes, at, to);
    if (length === undefined) return undefined;
    const wireType = bytes[tag]! & 7;
    const place = placeOf(bytes, { tag, length, wireType, to });
    if (place === undefined || place.end > to) return undefined;
    places.push(place);
    at = place.end;
  }
  return places;
}

interface Start {
  readonly tag: number;
  readonly length: number;
  readonly wireType: number;
  readonly to: number;
}

function placeOf(bytes: Buffer, { tag, length, wireType, to }: Start): Place | undefined {
  if (wireType === 1) return { tag, length, payload: length, end: length + 8, wireType };
  if (wireType === 5) return { tag, length, payload: length, end: length + 4, wireType };
  const payload = afterVarint(bytes, length, to);
  if (payload === undefined) return undefined;
  if (wireType === 0) return { tag, length, payload, end: payload, wireType };
  if (wireType !== 2) return undefined;
  let size = 0;
  for (let at = payload - 1; at >= length; at -= 1) size = size * 128 + (bytes[at]! & 0x7f);
  return { tag, length, payload, end: payload + size, wireType };
}

function afterVarint(bytes: Buffer, from: number, to: number): number | undefined {
  for (let at = from; at < Math.min(to, from + 10); at += 1) if (bytes[at]! < 0x80) return at + 1;
  return undefined;
}
