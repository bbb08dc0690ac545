import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { LedgeError } from '../std/error.ts';
import {
  type ArchiveEntry,
  type ByteSource,
  FILES_PREFIX,
  fileSource,
  readContent,
  readEntries,
  SIGNATURES_NAME,
} from './archive.ts';
import { tell } from './entry-path.ts';
import { type BundleFile, type BundleManifest, parseBundleManifest } from './manifest.ts';
import { parseSignatures, type Signature } from './signatures.ts';
import { tarInvalid } from './ustar.ts';

/** A bundle whose structure was checked; the contents of its files are not yet. */
export interface Bundle {
  readonly manifest: BundleManifest;
  /** bundle.json as it stands in the archive: what signatures are over. */
  readonly manifestBytes: Uint8Array;
  readonly signatures: readonly Signature[];
  /**
   * The bytes of one of its files, in pieces; fails with bundle-invalid after the last piece where they
   * are not those that the manifest names.
   */
  content(file: BundleFile): AsyncGenerator<Uint8Array>;
}

/** Opens a bundle's file for as long as `use` runs. Fails with not-found, bundle-invalid. */
export async function withBundle<T>(path: string, use: (bundle: Bundle) => Promise<T>): Promise<T> {
  let handle: FileHandle;
  try {
    handle = await open(path, 'r');
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw new LedgeError('not-found', `Cannot read the bundle ${path}: ${reason}`, { cause });
  }
  try {
    if (!(await handle.stat()).isFile()) throw tarInvalid(`${path} is no file`);
    return await use(await parseBundle(await fileSource(handle)));
  } finally {
    await handle.close();
  }
}

/** Reads manifest and signatures of an archive, whose files must be those of the manifest, in order. */
export async function parseBundle(source: ByteSource): Promise<Bundle> {
  const entries = await readEntries(source);
  const [first, second] = entries;
  if (first === undefined) throw tarInvalid('it is empty');
  const manifestBytes = await source.read(first.start, first.size);
  const manifest = parseBundleManifest(manifestBytes);
  const signed = second?.name === SIGNATURES_NAME;
  const signatures = signed ? parseSignatures(await source.read(second.start, second.size)) : [];
  const held = new Map<BundleFile, ArchiveEntry>();
  for (const [index, entry] of entries.slice(signed ? 2 : 1).entries()) {
    const file = manifest.files[index];
    if (file === undefined || entry.name !== FILES_PREFIX + file.path) {
      throw tarInvalid(`${tell(entry.name)} is not what its manifest names there`);
    }
    if (entry.size !== file.bytes) {
      const sizes = `${entry.size} bytes, its manifest says ${file.bytes}`;
      throw tarInvalid(`${tell(file.path)} has ${sizes}`);
    }
    held.set(file, entry);
  }
  const missing = manifest.files.find((file) => !held.has(file));
  if (missing !== undefined) throw tarInvalid(`${tell(missing.path)} is missing`);
  return {
    manifest,
    manifestBytes,
    signatures,
    content: (file) => checkedContent(source, held.get(file) as ArchiveEntry, file),
  };
}

/** Reads every file of a bundle. Throws bundle-invalid at the first that was altered. */
export async function checkContents({ manifest, content }: Bundle): Promise<void> {
  for (const file of manifest.files) {
    for await (const piece of content(file)) void piece;
  }
}

async function* checkedContent(
  source: ByteSource,
  entry: ArchiveEntry,
  { path, sha256 }: BundleFile,
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  for await (const piece of readContent(source, entry)) {
    hash.update(piece);
    yield piece;
  }
  if (hash.digest('hex') !== sha256) {
    throw tarInvalid(`${tell(path)} was altered: its SHA-256 is not the manifest's`);
  }
}
