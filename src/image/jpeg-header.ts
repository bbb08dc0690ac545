import { readOrientation, UPRIGHT } from './exif.ts';
import { invalidImage } from './invalid-image.ts';
import type { StoredHeader } from './stored-header.ts';

/** Segments before the first scan: a photo with a split colour profile and previews has under 300. */
const SEGMENTS_MAX = 1024;

const START_OF_SCAN = 0xda;
const END_OF_IMAGE = 0xd9;
const APP1 = 0xe1;
const EXIF_MARK = [0x45, 0x78, 0x69, 0x66, 0, 0];

/** Size and orientation of a JPEG, by walking the marker segments of ITU-T T.81, annex B. */
export function readJpegHeader(bytes: Uint8Array): StoredHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let frame: { width: number; height: number } | undefined;
  let orientation: number | undefined;
  let at = 2;
  for (let segment = 0; segment < SEGMENTS_MAX; segment += 1) {
    at = skipToMarker(bytes, at);
    const marker = bytes[at - 1];
    if (marker === START_OF_SCAN) {
      if (frame === undefined) throw invalidImage('jpeg', 'its first scan comes before its frame');
      return { ...frame, orientation: orientation ?? UPRIGHT };
    }
    if (marker === undefined || marker === END_OF_IMAGE) break;
    if (isBare(marker)) continue;
    if (at + 2 > bytes.length) break;
    const end = at + view.getUint16(at);
    if (end < at + 2) throw invalidImage('jpeg', `a segment at byte ${at} has no length`);
    if (end > bytes.length) break;
    if (isFrame(marker)) {
      if (frame !== undefined) throw invalidImage('jpeg', 'it has two frames');
      if (end < at + 8) throw invalidImage('jpeg', 'its frame header is too short');
      frame = { height: view.getUint16(at + 3), width: view.getUint16(at + 5) };
    }
    if (marker === APP1) orientation ??= readExif(bytes.subarray(at + 2, end));
    at = end;
  }
  throw invalidImage('jpeg', `its ${bytes.length} bytes end before the first scan`);
}

/** The position after the next marker, found as decoders find it: past stray and fill bytes. */
function skipToMarker(bytes: Uint8Array, from: number): number {
  let at = bytes.indexOf(0xff, from);
  while (at >= 0) {
    while (bytes[at] === 0xff) at += 1;
    if (bytes[at] !== 0) return at + 1;
    at = bytes.indexOf(0xff, at);
  }
  return bytes.length + 1;
}

/** Markers without a length: TEM and the restart markers. */
function isBare(marker: number): boolean {
  return marker === 0x01 || (marker >= 0xd0 && marker <= 0xd7);
}

/** SOF0 to SOF15, less the three codes in between that are no frames: DHT, JPG, DAC. */
function isFrame(marker: number): boolean {
  if (marker < 0xc0 || marker > 0xcf) return false;
  return marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
}

function readExif(segment: Uint8Array): number | undefined {
  if (!EXIF_MARK.every((byte, index) => segment[index] === byte)) return undefined;
  return readOrientation(segment.subarray(EXIF_MARK.length));
}
