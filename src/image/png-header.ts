import { readOrientation, UPRIGHT } from './exif.ts';
import { invalidImage } from './invalid-image.ts';
import type { StoredHeader } from './stored-header.ts';

/** Chunks before the pixels: an encoder with every kind of metadata writes about forty. */
const CHUNKS_MAX = 1024;

const SIGNATURE_BYTES = 8;
/** Length, type and checksum around the data of each chunk. */
const CHUNK_FRAME_BYTES = 12;

const IHDR = 0x49484452;
const EXIF = 0x65584966;
const IDAT = 0x49444154;

/** Size and orientation of a PNG, by walking its chunks up to the first IDAT (PNG 3, section 5). */
export function readPngHeader(bytes: Uint8Array): StoredHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let size: { width: number; height: number } | undefined;
  let orientation = UPRIGHT;
  let at = SIGNATURE_BYTES;
  for (let chunk = 0; chunk < CHUNKS_MAX && at + CHUNK_FRAME_BYTES <= bytes.length; chunk += 1) {
    const length = view.getUint32(at);
    const type = view.getUint32(at + 4);
    if (type === IDAT && size !== undefined) return { ...size, orientation };
    const data = at + 8;
    if (data + length + 4 > bytes.length) break;
    if (chunk === 0) {
      if (type !== IHDR || length !== 13) throw invalidImage('png', 'it does not begin with IHDR');
      size = { width: view.getUint32(data), height: view.getUint32(data + 4) };
    }
    if (type === EXIF) orientation = readOrientation(bytes.subarray(data, data + length));
    at = data + length + 4;
  }
  throw invalidImage('png', `its ${bytes.length} bytes end before the pixels`);
}
