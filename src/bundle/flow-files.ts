import { createHash } from 'node:crypto';
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { LedgeError } from '../std/error.ts';
import { entryPathProblem, tell } from './entry-path.ts';
import { CHUNK_BYTES, FILE_BYTES_MAX, FILES_MAX } from './limits.ts';
import type { BundleFile } from './manifest.ts';

/** Names that begin like this are left out: an editor's, a desktop's, and those of an installed bundle. */
const HIDDEN = '.';

/** A file as it is now, and when it was last written. */
export interface FoundFile extends BundleFile {
  readonly modifiedMs: number;
}

/**
 * The paths of all files of a flow's folder, sorted; hidden ones are left out. Fails with bundle-invalid
 * on a link or a device, on a name that not every file system can hold, and over the limit.
 */
export async function listFiles(folder: string): Promise<readonly string[]> {
  const paths: string[] = [];
  await collect(folder, '', paths);
  return paths.sort((a, b) => (a < b ? -1 : 1));
}

/** Size, hash and time of a file. Fails with bundle-invalid where it is no file or too large. */
export async function hashFile(folder: string, path: string): Promise<FoundFile> {
  const hash = createHash('sha256');
  let bytes = 0;
  let modifiedMs = 0;
  for await (const piece of readFilePieces(folder, path, (ms) => (modifiedMs = ms))) {
    hash.update(piece);
    bytes += piece.length;
  }
  return { path, bytes, sha256: hash.digest('hex'), modifiedMs };
}

/** The bytes of a file, in pieces; fails with bundle-invalid where they are not those expected. */
export async function* readHashed(folder: string, file: BundleFile): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  for await (const piece of readFilePieces(folder, file.path)) {
    hash.update(piece);
    yield piece;
  }
  if (hash.digest('hex') !== file.sha256) {
    throw new LedgeError('bundle-invalid', `Cannot pack ${tell(file.path)}: it is being written`);
  }
}

async function* readFilePieces(
  folder: string,
  path: string,
  onTime?: (modifiedMs: number) => void,
): AsyncGenerator<Uint8Array> {
  await using handle = await open(join(folder, path), 'r');
  const stat = await handle.stat();
  if (!stat.isFile()) throw new LedgeError('bundle-invalid', `${tell(path)} is no file`);
  onTime?.(stat.mtimeMs);
  let total = 0;
  for (;;) {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(CHUNK_BYTES), 0, CHUNK_BYTES);
    if (bytesRead === 0) return;
    total += bytesRead;
    if (total > FILE_BYTES_MAX) {
      const state = `it has more than ${FILE_BYTES_MAX} bytes`;
      throw new LedgeError('bundle-invalid', `Cannot take ${tell(path)}: ${state}`);
    }
    yield buffer.subarray(0, bytesRead);
  }
}

async function collect(folder: string, prefix: string, paths: string[]): Promise<void> {
  for (const entry of await readdir(join(folder, prefix), { withFileTypes: true })) {
    if (entry.name.startsWith(HIDDEN)) continue;
    const path = prefix === '' ? entry.name : `${prefix}/${entry.name}`;
    const problem = entryPathProblem(path);
    if (problem !== undefined) throw refused(path, problem);
    if (entry.isDirectory()) await collect(folder, path, paths);
    else if (!entry.isFile()) throw refused(path, 'is a link or a device, not a file');
    else if (paths.length >= FILES_MAX) throw refused(path, `is one of over ${FILES_MAX} files`);
    else paths.push(path);
  }
}

function refused(path: string, problem: string): LedgeError {
  return new LedgeError('bundle-invalid', `Cannot take the folder: ${tell(path)} ${problem}`);
}
