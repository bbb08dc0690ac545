import { LedgeError } from '../std/error.ts';

/** The wire types of Protocol Buffers that ONNX uses; groups (3, 4) are refused. */
export type WireType = 0 | 1 | 2 | 5;

export const VARINT = 0;
export const FIXED64 = 1;
export const DELIMITED = 2;
export const FIXED32 = 5;

/** A 64-bit integer takes ten groups of seven bits; a longer varint is no number. */
const VARINT_BYTES_MAX = 10;
/** Protocol Buffers ends field numbers at 29 bits. */
const FIELD_NUMBER_MAX = 536_870_911;

/** What may still be read; shared by all messages of one file. */
export interface Budget {
  fields: number;
  messages: number;
  /** How much deeper messages may nest from here. */
  depth: number;
  /** Where to note the bytes of each message, for a writer that gives them back. */
  readonly originals?: WeakMap<object, Uint8Array>;
}

/** A place in a message, and the field that was read last. Offsets count from the file's start. */
export interface Cursor {
  readonly bytes: Uint8Array;
  readonly end: number;
  position: number;
  number: number;
  wireType: WireType;
  /** Where the field's tag starts, and where its payload (without its length) starts and ends. */
  tagStart: number;
  start: number;
  stop: number;
}

/** A cursor before the first field of the message that fills `bytes` from `start` to `end`. */
export function cursorOver(bytes: Uint8Array, start: number, end: number): Cursor {
  return {
    bytes,
    end,
    position: start,
    number: 0,
    wireType: VARINT,
    tagStart: start,
    start,
    stop: start,
  };
}

/** Steps to the next field; false at the end. Throws `model-invalid` where the bytes are no field. */
export function nextField(cursor: Cursor, budget: Budget): boolean {
  if (cursor.position >= cursor.end) return false;
  budget.fields -= 1;
  if (budget.fields < 0) throw malformed(cursor.position, 'more fields than the limit allows');
  cursor.tagStart = cursor.position;
  const tag = readLength(cursor);
  cursor.number = Math.floor(tag / 8);
  if (cursor.number < 1 || cursor.number > FIELD_NUMBER_MAX) {
    throw malformed(cursor.tagStart, `the field number ${cursor.number}`);
  }
  cursor.wireType = wireTypeOf(tag % 8, cursor.tagStart);
  const size = payloadSize(cursor);
  if (size > cursor.end - cursor.position) {
    const left = cursor.end - cursor.position;
    throw malformed(cursor.tagStart, `a field of ${size} bytes where ${left} are left`);
  }
  cursor.start = cursor.position;
  cursor.stop = cursor.start + size;
  cursor.position = cursor.stop;
  return true;
}

/** The field's payload, as a view on the file. */
export function payloadOf(cursor: Cursor): Uint8Array {
  return cursor.bytes.subarray(cursor.start, cursor.stop);
}

/** A varint as protobuf's int64: the last 64 bits, signed. `bytes` holds exactly one varint. */
export function int64Of(bytes: Uint8Array): bigint {
  if (bytes.length <= 4) return BigInt(smallVarint(bytes));
  let value = 0n;
  for (let at = bytes.length - 1; at >= 0; at -= 1) {
    value = (value << 7n) | BigInt(bytes[at]! & 0x7f);
  }
  return BigInt.asIntN(64, value);
}

/** A varint as protobuf's int32 or enum: the last 32 bits, signed. */
export function int32Of(bytes: Uint8Array): number {
  if (bytes.length <= 4) return smallVarint(bytes);
  return Number(BigInt.asIntN(32, int64Of(bytes)));
}

function smallVarint(bytes: Uint8Array): number {
  let value = 0;
  for (let at = bytes.length - 1; at >= 0; at -= 1) value = value * 128 + (bytes[at]! & 0x7f);
  return value;
}

/** The varints that stand one after the other in a packed field. Throws where the last is cut. */
export function splitVarints(bytes: Uint8Array): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = varintSize(bytes, at, bytes.length);
    parts.push(bytes.subarray(at, at + size));
    at += size;
  }
  return parts;
}

/** How many varints a packed field holds: every last byte of one has its high bit clear. */
export function countVarints(bytes: Uint8Array): number {
  let count = 0;
  for (const byte of bytes) if (byte < 0x80) count += 1;
  return count;
}

/** The shortest varint of a 64-bit integer; negative numbers take ten bytes. */
export function varint(value: bigint | number): Uint8Array {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  while (rest >= 0x80n) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}

/** The tag that opens a field. */
export function tagOf(number: number, wireType: WireType): Uint8Array {
  return varint(number * 8 + wireType);
}

/** One array with all parts, in order. */
export function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** The error of bytes that are no protobuf, with their place. */
export function malformed(offset: number, found: string): LedgeError {
  const message = `Cannot read the model: ${found} at byte ${offset}`;
  return new LedgeError('model-invalid', message, { context: { offset } });
}

function wireTypeOf(value: number, offset: number): WireType {
  if (value === VARINT || value === FIXED64 || value === DELIMITED || value === FIXED32) {
    return value;
  }
  throw malformed(offset, `the wire type ${value}, which ONNX does not use,`);
}

function payloadSize(cursor: Cursor): number {
  if (cursor.wireType === FIXED64) return 8;
  if (cursor.wireType === FIXED32) return 4;
  if (cursor.wireType === DELIMITED) return readLength(cursor);
  return varintSize(cursor.bytes, cursor.position, cursor.end);
}

function varintSize(bytes: Uint8Array, start: number, end: number): number {
  const last = Math.min(end, start + VARINT_BYTES_MAX);
  for (let at = start; at < last; at += 1) {
    if (bytes[at]! < 0x80) return at - start + 1;
  }
  throw malformed(start, 'a number that does not end');
}

/** A tag or length: protobuf keeps both within 32 bits. */
function readLength(cursor: Cursor): number {
  const start = cursor.position;
  const size = varintSize(cursor.bytes, start, cursor.end);
  cursor.position += size;
  let value = 0;
  for (let at = start + size - 1; at >= start; at -= 1) {
    value = value * 128 + (cursor.bytes[at]! & 0x7f);
  }
  if (value > 0xffff_ffff) throw malformed(start, `the length ${value}`);
  return value;
}
