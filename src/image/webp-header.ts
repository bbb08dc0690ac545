import { readOrientation, UPRIGHT } from './exif.ts';
import { invalidImage } from './invalid-image.ts';
import type { StoredHeader } from './stored-header.ts';

/** Chunks of one file: an animation has one per frame, and its EXIF stands after them. */
const CHUNKS_MAX = 4096;

const RIFF_HEADER_BYTES = 12;
const CHUNK_HEADER_BYTES = 8;

const VP8 = 0x56503820;
const VP8L = 0x5650384c;
const VP8X = 0x56503858;
const EXIF = 0x45584946;
/** Some writers keep JPEG's mark before the TIFF block. */
const EXIF_MARK = [0x45, 0x78, 0x69, 0x66, 0, 0];

/** Size and orientation of a WebP, by its RIFF chunks (RFC 9649, section 2). */
export function readWebpHeader(bytes: Uint8Array): StoredHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let size: { width: number; height: number } | undefined;
  let at = RIFF_HEADER_BYTES;
  for (let chunk = 0; chunk < CHUNKS_MAX && at + CHUNK_HEADER_BYTES <= bytes.length; chunk += 1) {
    const type = view.getUint32(at);
    const length = view.getUint32(at + 4, true);
    const data = bytes.subarray(at + CHUNK_HEADER_BYTES);
    if (length > data.length)
      throw invalidImage('webp', `its ${bytes.length} bytes end in a chunk`);
    if (chunk === 0) {
      size = readSize(type, data.subarray(0, length));
      if (type !== VP8X) return { ...size, orientation: UPRIGHT };
    }
    if (type === EXIF && size !== undefined) {
      return { ...size, orientation: readExif(data.subarray(0, length)) };
    }
    at += CHUNK_HEADER_BYTES + length + (length % 2);
  }
  if (size === undefined) throw invalidImage('webp', `its ${bytes.length} bytes hold no chunk`);
  return { ...size, orientation: UPRIGHT };
}

function readSize(type: number, data: Uint8Array): { width: number; height: number } {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (type === VP8X && data.length >= 10) {
    return { width: 1 + uint24(view, 4), height: 1 + uint24(view, 7) };
  }
  // RFC 6386, section 9.1: frame tag, start code, then 14 bits each with 2 bits of scale.
  if (type === VP8 && data.length >= 10 && uint24(view, 3) === 0x2a019d) {
    return { width: view.getUint16(6, true) & 0x3fff, height: view.getUint16(8, true) & 0x3fff };
  }
  // RFC 9649, section 3.4: signature 0x2f, then 14 bits each, less one.
  if (type === VP8L && data.length >= 5 && data[0] === 0x2f) {
    const bits = view.getUint32(1, true);
    return { width: 1 + (bits & 0x3fff), height: 1 + ((bits >>> 14) & 0x3fff) };
  }
  throw invalidImage('webp', 'its first chunk is no picture');
}

function uint24(view: DataView, at: number): number {
  return view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
}

function readExif(data: Uint8Array): number {
  const marked = EXIF_MARK.every((byte, index) => data[index] === byte);
  return readOrientation(marked ? data.subarray(EXIF_MARK.length) : data);
}
