import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { LedgeError } from '../std/error.ts';
import { FILES_PREFIX, frameOf, MANIFEST_NAME, SIGNATURES_NAME } from './archive.ts';
import type { BundleFile } from './manifest.ts';
import { encodeSignatures, type Signature } from './signatures.ts';
import { END_BYTES } from './ustar.ts';

/** What goes into an archive. */
export interface BundleParts {
  readonly manifestBytes: Uint8Array;
  readonly signatures: readonly Signature[];
  readonly files: readonly BundleFile[];
  /** The bytes of a file; fails where they are not those its entry names. */
  content(file: BundleFile): AsyncIterable<Uint8Array>;
}

/** Writes an archive whole or not at all: beside its place first. Fails with data-unwritable. */
export async function writeBundle(path: string, parts: BundleParts): Promise<void> {
  const beside = `${path}.${randomBytes(6).toString('hex')}.new`;
  try {
    {
      await using file = await open(beside, 'wx', 0o644);
      for await (const piece of piecesOf(parts)) await file.appendFile(piece);
      await file.sync();
    }
    await rename(beside, path);
  } catch (cause) {
    await rm(beside, { force: true });
    if (cause instanceof LedgeError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new LedgeError('data-unwritable', `Cannot write ${path}: ${reason}`, { cause });
  }
}

/** An archive's bytes: the manifest, its signatures, the files in the order of the manifest. */
export async function* piecesOf(parts: BundleParts): AsyncGenerator<Uint8Array> {
  const { manifestBytes, signatures, files, content } = parts;
  yield* wholeEntry(MANIFEST_NAME, manifestBytes);
  if (signatures.length > 0) yield* wholeEntry(SIGNATURES_NAME, encodeSignatures(signatures));
  for (const file of files) {
    const { before, after } = frameOf({ name: FILES_PREFIX + file.path, size: file.bytes });
    yield before;
    yield* content(file);
    yield after;
  }
  yield new Uint8Array(END_BYTES);
}

function* wholeEntry(name: string, bytes: Uint8Array): Generator<Uint8Array> {
  const { before, after } = frameOf({ name, size: bytes.length });
  yield before;
  yield bytes;
  yield after;
}
