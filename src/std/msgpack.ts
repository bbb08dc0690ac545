import { Packr } from 'msgpackr';
import { LedgeError } from './error.ts';

/** Nesting that no record of a device needs; each level is a frame of the decoder's stack. */
export const MSGPACK_DEPTH_MAX = 64;

/** Values in one message: a few million would hold the thread for about a second. */
export const MSGPACK_VALUES_MAX = 1_000_000;

// Plain MessagePack only: no records, references or classes of msgpackr's own.
const packr = new Packr({
  useRecords: false,
  structuredClone: false,
  moreTypes: false,
  mapsAsObjects: true,
  variableMapSize: true,
  encodeUndefinedAsNil: true,
  int64AsType: 'number',
});

/** A JSON-like value as MessagePack; a Uint8Array becomes `bin`. */
export function encodeMsgpack(value: unknown): Uint8Array {
  // A copy of its own size: msgpackr gives a view of the pool it writes into.
  return new Uint8Array(packr.pack(value));
}

/**
 * Reads one MessagePack value as JSON-like values; 64-bit integers become numbers. The bytes are
 * walked before anything is built, so that a message never costs more memory than its own length
 * warrants. Throws LedgeError payload-invalid: cut short, bytes left over, too deep, too many
 * values, an extension other than the timestamp.
 */
export function decodeMsgpack(bytes: Uint8Array): unknown {
  checkMsgpack(bytes);
  try {
    return packr.unpack(bytes);
  } catch (cause) {
    throw invalid(cause instanceof Error ? cause.message : String(cause), cause);
  }
}

/** The part of a message that one token and its own data take, and the values nested in it. */
interface Extent {
  readonly bytes: number;
  readonly values: number;
}

/** Walks a message without recursion, with one counter of open values per level. */
function checkMsgpack(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const open = [1];
  let at = 0;
  let values = 0;
  while (open.length > 0) {
    const level = open.length - 1;
    if (open[level] === 0) {
      open.pop();
      continue;
    }
    open[level] = open[level]! - 1;
    const extent = readExtent(view, at);
    at += extent.bytes;
    values += 1;
    const left = bytes.length - at;
    if (left < 0 || extent.values > left) throw invalid(`it is cut short at byte ${bytes.length}`);
    if (values > MSGPACK_VALUES_MAX) throw invalid(`it has over ${MSGPACK_VALUES_MAX} values`);
    if (extent.values === 0) continue;
    if (open.length > MSGPACK_DEPTH_MAX)
      throw invalid(`it is nested over ${MSGPACK_DEPTH_MAX} deep`);
    open.push(extent.values);
  }
  if (at < bytes.length) throw invalid(`${bytes.length - at} bytes follow its value`);
}

/** Token sizes of the MessagePack specification, 0xc0 to 0xdf: bytes with the length's own. */
const FIXED: Readonly<Record<number, number>> = {
  192: 1,
  194: 1,
  195: 1,
  202: 5,
  203: 9,
  204: 2,
  205: 3,
  206: 5,
  207: 9,
  208: 2,
  209: 3,
  210: 5,
  211: 9,
};

function readExtent(view: DataView, at: number): Extent {
  const token = readLength(view, at, 1);
  if (token < 0x80 || token >= 0xe0) return { bytes: 1, values: 0 };
  if (token < 0x90) return { bytes: 1, values: (token & 0x0f) * 2 };
  if (token < 0xa0) return { bytes: 1, values: token & 0x0f };
  if (token < 0xc0) return { bytes: 1 + (token & 0x1f), values: 0 };
  const fixed = FIXED[token];
  if (fixed !== undefined) return { bytes: fixed, values: 0 };
  const size = 1 << (token - firstOf(token));
  switch (firstOf(token)) {
    case 0xc4: // bin 8, 16, 32
    case 0xd9: // str 8, 16, 32
      return { bytes: 1 + size + readLength(view, at + 1, size), values: 0 };
    case 0xdb: // array 16, 32
      return { bytes: 1 + size, values: readLength(view, at + 1, size) };
    case 0xdd: // map 16, 32
      return { bytes: 1 + size, values: readLength(view, at + 1, size) * 2 };
    default:
      return { bytes: readTimestamp(view, at, token), values: 0 };
  }
}

/** The token from which a family's 8-bit length would count: array and map begin at 16 bits. */
function firstOf(token: number): number {
  if (token >= 0xc4 && token <= 0xc6) return 0xc4;
  if (token >= 0xd9 && token <= 0xdb) return 0xd9;
  if (token >= 0xdc && token <= 0xdd) return 0xdb;
  return token >= 0xde ? 0xdd : token;
}

/** The timestamp, extension -1, in its 4, 8 or 12 bytes; no other extension is taken. */
function readTimestamp(view: DataView, at: number, token: number): number {
  const typeAt = token === 0xc7 ? at + 2 : at + 1;
  const type = readLength(view, typeAt, 1);
  if (type === 0xff) {
    if (token === 0xd6) return 6;
    if (token === 0xd7) return 10;
    if (token === 0xc7 && view.getUint8(at + 1) === 12) return 15;
  }
  throw invalid(`byte ${at} is an extension, type ${type}, other than the timestamp`);
}

function readLength(view: DataView, at: number, size: number): number {
  if (at + size > view.byteLength) throw invalid(`it is cut short at byte ${view.byteLength}`);
  if (size === 1) return view.getUint8(at);
  return size === 2 ? view.getUint16(at) : view.getUint32(at);
}

function invalid(problem: string, cause?: unknown): LedgeError {
  const options = cause === undefined ? {} : { cause };
  return new LedgeError('payload-invalid', `Cannot read msgpack: ${problem}`, options);
}
