import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32c } from './crc32c.ts';

/** LevelDB's doc/table_format.md: two block handles, padding, a magic number. */
const FOOTER_BYTES = 48;
const MAGIC = 0xdb4775248b80fb57n;
/** Kind of compression and checksum behind each block. */
const TRAILER_BYTES = 5;
const CRC_MASK_DELTA = 0xa282ead8;
/** Read whole up to here; what a larger store has beyond is checked in footers and indexes only. */
const WHOLE_BYTES_MAX = 256 * 1024 * 1024;

export interface DamagedTable {
  readonly file: string;
  readonly reason: string;
}

/**
 * The tables of a closed LevelDB folder whose bytes do not agree with their checksums. The library
 * leaves such blocks out of what it lists, without a word, so that they have to be found before.
 */
export async function damagedTables(folder: string): Promise<DamagedTable[]> {
  const damaged: DamagedTable[] = [];
  let wholeBytes = 0;
  for (const file of (await readdir(folder)).filter((name) => /\.(ldb|sst)$/.test(name)).sort()) {
    const bytes = await readFile(join(folder, file));
    wholeBytes += bytes.length;
    const reason = tableProblem(bytes, wholeBytes <= WHOLE_BYTES_MAX ? 'whole' : 'index');
    if (reason !== undefined) damaged.push({ file, reason });
  }
  return damaged;
}

/** What is wrong with the bytes of a table, if anything is. */
export function tableProblem(table: Buffer, depth: 'whole' | 'index'): string | undefined {
  if (table.length < FOOTER_BYTES) return `it has ${table.length} bytes, too few for a table`;
  const footer = table.length - FOOTER_BYTES;
  if (table.readBigUInt64LE(table.length - 8) !== MAGIC) return 'its footer is damaged';
  try {
    const handles = createReader(table.subarray(footer));
    const metaindex = readHandle(handles);
    const index = readHandle(handles);
    for (const handle of [metaindex, index]) checkBlock(table, handle);
    // Only what a repair has just written is compressed; its index could not be read here.
    if (depth === 'whole' && table[index.offset + index.size] === 0) {
      for (const handle of handlesOf(table, index)) checkBlock(table, handle);
    }
    return undefined;
  } catch (error) {
    if (error instanceof RangeError) return error.message;
    throw error;
  }
}

interface Handle {
  readonly offset: number;
  readonly size: number;
}

interface Reader {
  readonly at: number;
  varint(): number;
  skip(count: number): void;
}

function createReader(bytes: Uint8Array): Reader {
  let at = 0;
  return {
    get at() {
      return at;
    },
    varint() {
      let value = 0;
      for (let factor = 1; ; factor *= 128) {
        const byte = bytes[at];
        if (byte === undefined || factor > 2 ** 49) throw new RangeError('a length is damaged');
        at += 1;
        value += (byte & 127) * factor;
        if (byte < 128) return value;
      }
    },
    skip(count) {
      at += count;
    },
  };
}

function readHandle(reader: Reader): Handle {
  return { offset: reader.varint(), size: reader.varint() };
}

function checkBlock(table: Buffer, { offset, size }: Handle): void {
  const end = offset + size;
  if (end + TRAILER_BYTES > table.length) throw new RangeError('a block lies beyond its end');
  const masked = (table.readUInt32LE(end + 1) - CRC_MASK_DELTA) >>> 0;
  const told = ((masked >>> 17) | (masked << 15)) >>> 0;
  if (crc32c(table.subarray(offset, end + 1)) === told) return;
  throw new RangeError(`the block of ${size} bytes at ${offset} disagrees with its checksum`);
}

/** The handles that an index block holds as its values; its keys are skipped. */
function* handlesOf(table: Buffer, { offset, size }: Handle): Generator<Handle> {
  const block = table.subarray(offset, offset + size);
  const restarts = block.readUInt32LE(size - 4);
  const end = size - 4 - restarts * 4;
  const reader = createReader(block.subarray(0, end));
  while (reader.at < end) {
    reader.varint();
    const keyBytes = reader.varint();
    const valueBytes = reader.varint();
    reader.skip(keyBytes);
    const next = reader.at + valueBytes;
    yield readHandle(reader);
    reader.skip(next - reader.at);
  }
}
