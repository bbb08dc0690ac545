/** As displayed; also the answer for metadata that does not parse, as viewers do. */
export const UPRIGHT = 1;

/** Entries of one directory that are looked at: cameras write about twenty. */
const ENTRIES_MAX = 512;

const TAG_ORIENTATION = 0x0112;
const TYPE_SHORT = 3;
const ENTRY_BYTES = 12;

/** The orientation, 1 to 8, of a TIFF block as EXIF 2.32 lays it out (section 4.5.2). */
export function readOrientation(tiff: Uint8Array): number {
  if (tiff.length < 8) return UPRIGHT;
  const view = new DataView(tiff.buffer, tiff.byteOffset, tiff.byteLength);
  const mark = view.getUint16(0);
  if (mark !== 0x4949 && mark !== 0x4d4d) return UPRIGHT;
  const littleEndian = mark === 0x4949;
  const directory = view.getUint32(4, littleEndian);
  if (directory + 2 > tiff.length) return UPRIGHT;
  const entries = Math.min(view.getUint16(directory, littleEndian), ENTRIES_MAX);
  for (let index = 0; index < entries; index += 1) {
    const at = directory + 2 + index * ENTRY_BYTES;
    if (at + ENTRY_BYTES > tiff.length) return UPRIGHT;
    if (view.getUint16(at, littleEndian) !== TAG_ORIENTATION) continue;
    if (view.getUint16(at + 2, littleEndian) !== TYPE_SHORT) return UPRIGHT;
    const value = view.getUint16(at + 8, littleEndian);
    return value >= 1 && value <= 8 ? value : UPRIGHT;
  }
  return UPRIGHT;
}
