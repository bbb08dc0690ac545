import type { FileHandle } from 'node:fs/promises';
import { entryPathProblem, tell } from './entry-path.ts';
import {
  CHUNK_BYTES,
  FILE_BYTES_MAX,
  FILES_MAX,
  MANIFEST_BYTES_MAX,
  SIGNATURES_BYTES_MAX,
} from './limits.ts';
import {
  BLOCK_BYTES,
  END_BYTES,
  encodeHeader,
  type Header,
  paddingOf,
  parseHeader,
  tarInvalid,
} from './ustar.ts';

/** The manifest, the first entry of an archive. */
export const MANIFEST_NAME = 'bundle.json';
/** The signatures, the second entry of an archive that is signed. */
export const SIGNATURES_NAME = 'bundle.sig';
/** The folder that the flow's own files stand in. */
export const FILES_PREFIX = 'files/';

/** Bytes at a place: a file, or memory. */
export interface ByteSource {
  readonly size: number;
  /** Exactly so many bytes from there. Fails where they are not there. */
  read(start: number, length: number): Promise<Uint8Array>;
}

/** One file of an archive, and where its bytes start. */
export interface ArchiveEntry extends Header {
  readonly start: number;
}

/**
 * Walks an archive and gives its entries; the bytes of files are not read, and no size is believed beyond
 * the archive's own. Throws LedgeError bundle-invalid on everything that `ledge bundle pack` does not
 * write: names that leave the folder, links, extensions, too many entries, bytes between or behind.
 */
export async function readEntries(source: ByteSource): Promise<readonly ArchiveEntry[]> {
  const entries: ArchiveEntry[] = [];
  let at = 0;
  for (;;) {
    if (at + END_BYTES > source.size) throw tarInvalid('it is cut short');
    const block = await source.read(at, BLOCK_BYTES);
    if (isEmpty(block)) break;
    const header = parseHeader(block);
    checkEntry(header, entries.length);
    const start = at + BLOCK_BYTES;
    const end = start + header.size;
    const next = end + paddingOf(header.size);
    if (next > source.size) throw tarInvalid(`${tell(header.name)} is cut short`);
    if (next > end && !isEmpty(await source.read(end, next - end))) {
      throw tarInvalid(`bytes follow ${tell(header.name)}`);
    }
    entries.push({ ...header, start });
    at = next;
  }
  if (at + END_BYTES !== source.size || !isEmpty(await source.read(at, END_BYTES))) {
    throw tarInvalid('bytes follow its end');
  }
  return entries;
}

/** The bytes of a file of an archive, in pieces. */
export async function* readContent(
  source: ByteSource,
  { start, size }: ArchiveEntry,
): AsyncGenerator<Uint8Array> {
  for (let done = 0; done < size; done += CHUNK_BYTES) {
    yield await source.read(start + done, Math.min(CHUNK_BYTES, size - done));
  }
}

/** The bytes around a file's content in an archive: its header before, the rest of a block after. */
export function frameOf(header: Header): {
  readonly before: Uint8Array;
  readonly after: Uint8Array;
} {
  return { before: encodeHeader(header), after: new Uint8Array(paddingOf(header.size)) };
}

/** An open file as a source of bytes. */
export async function fileSource(handle: FileHandle): Promise<ByteSource> {
  const { size } = await handle.stat();
  return {
    size,
    async read(start, length) {
      const buffer = Buffer.alloc(length);
      for (let done = 0; done < length; ) {
        const { bytesRead } = await handle.read(buffer, done, length - done, start + done);
        if (bytesRead === 0) throw tarInvalid('it became shorter while it was read');
        done += bytesRead;
      }
      return buffer;
    },
  };
}

/** Bytes in memory as a source of bytes. */
export function memorySource(bytes: Uint8Array): ByteSource {
  return {
    size: bytes.length,
    async read(start, length) {
      if (start + length > bytes.length) throw tarInvalid('it is cut short');
      return bytes.subarray(start, start + length);
    },
  };
}

/** Throws unless an entry is what may stand at its place. */
function checkEntry({ name, size }: Header, index: number): void {
  if (index >= FILES_MAX + 2) throw tarInvalid(`it has more than ${FILES_MAX} files`);
  const path = name.startsWith(FILES_PREFIX) ? name.slice(FILES_PREFIX.length) : undefined;
  if (path !== undefined) {
    const problem = entryPathProblem(path);
    if (problem !== undefined) throw tarInvalid(`the path ${tell(path)} ${problem}`);
    if (size > FILE_BYTES_MAX) throw tarInvalid(`${tell(path)} has ${size} bytes`);
  } else {
    if (name !== MANIFEST_NAME && name !== SIGNATURES_NAME) {
      throw tarInvalid(`${tell(name)} is not where a bundle has its files`);
    }
    const most = name === MANIFEST_NAME ? MANIFEST_BYTES_MAX : SIGNATURES_BYTES_MAX;
    if (size > most) throw tarInvalid(`${name} has ${size} bytes, at most ${most}`);
  }
  if ((index === 0) !== (name === MANIFEST_NAME)) {
    throw tarInvalid(`${MANIFEST_NAME} is not its one first entry`);
  }
  if (name === SIGNATURES_NAME && index !== 1) {
    throw tarInvalid(`${SIGNATURES_NAME} is not its second entry`);
  }
}

function isEmpty(block: Uint8Array): boolean {
  return block.every((byte) => byte === 0);
}
