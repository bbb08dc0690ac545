import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** LevelDB's doc/log_format.md: blocks, and in them records behind a checksum, a length and a kind. */
const BLOCK_BYTES = 32 * 1024;
const HEADER_BYTES = 7;
const FULL = 1;
const LAST = 4;

/**
 * Where a log ends within a record, in words. The library takes such an end for that of a process that
 * was killed, and says nothing: what was written behind it is gone.
 */
export async function cutLogs(folder: string): Promise<string | undefined> {
  for (const file of (await readdir(folder)).filter((name) => name.endsWith('.log')).sort()) {
    const bytes = await readFile(join(folder, file));
    const left = bytesCut(bytes);
    if (left > 0) return `${file} ends within a record, of which it has ${left} bytes`;
  }
  return undefined;
}

/** Bytes at the end of a log that make no whole record. */
export function bytesCut(log: Buffer): number {
  let at = 0;
  /** Where the last record began that is not known to be whole. */
  let open: number | undefined;
  while (at < log.length) {
    const left = BLOCK_BYTES - (at % BLOCK_BYTES);
    if (left < HEADER_BYTES) {
      at += left;
      continue;
    }
    const start = open ?? at;
    if (at + HEADER_BYTES > log.length) return log.length - start;
    const length = log.readUInt16LE(at + 4);
    const kind = log.readUInt8(at + 6);
    // What is no record is damage, which the library tells of.
    if (kind < FULL || kind > LAST || HEADER_BYTES + length > left) return 0;
    at += HEADER_BYTES + length;
    if (at > log.length) return log.length - start;
    open = kind === FULL || kind === LAST ? undefined : start;
  }
  return open === undefined ? 0 : log.length - open;
}
