import { payloadInvalid } from './payload.ts';

/** The one extension that is read: type -1, a time (msgpack specification, "Timestamp"). */
const TIMESTAMP_TYPE = -1;

/** What a flat map of msgpack may hold; anything nested or typed is refused where it stands. */
export type FlatValue = number | bigint | boolean | string | null;

/**
 * Reads one msgpack map of scalars: no nesting, no binary, no extension but the timestamp (given as
 * milliseconds since 1970). Nothing is allocated for a length before its bytes are seen to be there.
 * Throws LedgeError payload-invalid. Source: the msgpack specification.
 */
export function readFlatMap(bytes: Uint8Array, entriesMax: number): Record<string, FlatValue> {
  const reader = new Reader(bytes);
  const size = reader.mapSize();
  // Two bytes are the least that a name and its value take.
  if (size > entriesMax || size * 2 > reader.left) {
    throw payloadInvalid('msgpack', `the map says ${size} entries, ${reader.left} bytes follow`);
  }
  const entries: [string, FlatValue][] = [];
  for (let index = 0; index < size; index++) {
    const name = reader.value('a name');
    if (typeof name !== 'string') throw payloadInvalid('msgpack', 'the name of a field is no text');
    entries.push([name, reader.value(name)]);
  }
  if (reader.left > 0) throw payloadInvalid('msgpack', `${reader.left} bytes follow the map`);
  return Object.fromEntries(entries);
}

class Reader {
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.bytes.byteLength - this.at;
  }

  mapSize(): number {
    const head = this.unsigned(1);
    if ((head & 0xf0) === 0x80) return head & 0x0f;
    if (head === 0xde) return this.unsigned(2);
    if (head === 0xdf) return this.unsigned(4);
    throw payloadInvalid('msgpack', `expected a map, the first byte is 0x${head.toString(16)}`);
  }

  /** One scalar. `name` is the field that a message speaks of. */
  value(name: string): FlatValue {
    const head = this.unsigned(1);
    if (head < 0x80) return head;
    if (head >= 0xe0) return head - 0x100;
    if ((head & 0xe0) === 0xa0) return this.text(head & 0x1f);
    switch (head) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xca:
        return this.view.getFloat32(this.take(4));
      case 0xcb:
        return this.view.getFloat64(this.take(8));
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.unsigned(1 << (head - 0xcc));
      case 0xcf:
        return this.view.getBigUint64(this.take(8));
      case 0xd0:
        return this.view.getInt8(this.take(1));
      case 0xd1:
        return this.view.getInt16(this.take(2));
      case 0xd2:
        return this.view.getInt32(this.take(4));
      case 0xd3:
        return this.view.getBigInt64(this.take(8));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.text(this.unsigned(1 << (head - 0xd9)));
      case 0xd6:
        return this.timestamp(4, name);
      case 0xd7:
        return this.timestamp(8, name);
      case 0xc7:
        return this.timestamp(this.unsigned(1), name);
      default:
        throw payloadInvalid(
          'msgpack',
          `${name} has the type 0x${head.toString(16)}, expected a number or a boolean`,
        );
    }
  }

  private timestamp(size: number, name: string): number {
    const type = this.view.getInt8(this.take(1));
    if (type !== TIMESTAMP_TYPE || ![4, 8, 12].includes(size)) {
      throw payloadInvalid('msgpack', `${name} is an extension of type ${type}, which is not read`);
    }
    if (size === 4) return this.unsigned(4) * 1000;
    if (size === 12) {
      const nanoseconds = this.unsigned(4);
      return Number(this.view.getBigInt64(this.take(8))) * 1000 + nanoseconds / 1e6;
    }
    const packed = this.view.getBigUint64(this.take(8));
    return Number(packed & 0x3ffffffffn) * 1000 + Number(packed >> 34n) / 1e6;
  }

  private text(size: number): string {
    const start = this.take(size);
    try {
      return UTF8.decode(this.bytes.subarray(start, start + size));
    } catch (error) {
      throw payloadInvalid('msgpack', 'a text is not UTF-8', error);
    }
  }

  private unsigned(size: number): number {
    const start = this.take(size);
    if (size === 1) return this.view.getUint8(start);
    return size === 2 ? this.view.getUint16(start) : this.view.getUint32(start);
  }

  /** Where the next `size` bytes start; they are behind the reader then. */
  private take(size: number): number {
    if (size > this.left) {
      throw payloadInvalid('msgpack', `it ends ${size - this.left} bytes before its last value`);
    }
    const start = this.at;
    this.at += size;
    return start;
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true });
