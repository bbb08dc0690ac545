import { type FileHandle, lstat, mkdtemp, open, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';
import { LedgeError } from '../std/error.ts';
import { packageVersion } from '../std/package.ts';
import { makeFolder } from '../store/make-folder.ts';
import { tell } from './entry-path.ts';
import { listFiles } from './flow-files.ts';
import { INSTALLED_MANIFEST, INSTALLED_SIGNATURES } from './installed.ts';
import type { PublicKey } from './keys.ts';
import { type BundleManifest, checkLedgeVersion } from './manifest.ts';
import { type Bundle, withBundle } from './read-bundle.ts';
import { BACKUP_PREFIX, NEW_PREFIX, recoverInstalls } from './recover.ts';
import { encodeSignatures, type Judgement, judgeSignatures } from './signatures.ts';

export interface InstallOptions {
  /** The folder whose folders are flows. */
  readonly flows: string;
  readonly trust: readonly PublicKey[];
  /** Judges the unpacked flow before it takes its place; a throw refuses it. */
  check(folder: string, manifest: BundleManifest): Promise<void>;
  /** Whether a flow of that name that came from no bundle may be replaced. */
  readonly own: 'keep' | 'replace';
  readonly signal?: AbortSignal;
}

/** A flow that is in its place. */
export interface Installed {
  readonly manifest: BundleManifest;
  readonly judgement: Judgement;
  readonly folder: string;
  /** The version that was there before, where it came from a bundle. */
  readonly replaced: boolean;
}

/**
 * Installs a bundle: judged, unpacked into a folder beside the flows, compared with its manifest, checked,
 * and only then renamed into its place; the flow before it is kept until that is done. Fails with
 * not-found, bundle-invalid, bundle-untrusted, unsupported, data-unwritable, and what `check` throws;
 * the flow that was there is then as it was.
 */
export async function installBundle(path: string, options: InstallOptions): Promise<Installed> {
  return withBundle(path, async (bundle) => {
    const { manifest, manifestBytes, signatures } = bundle;
    const judgement = judgeSignatures(manifestBytes, signatures, options.trust);
    checkLedgeVersion(manifest, packageVersion());
    const flows = resolve(options.flows);
    const folder = join(flows, manifest.name);
    await recoverInstalls(flows);
    const before = await whatIsAt(folder);
    refuseToReplace(before, manifest.name, options.own);
    let temporary: string | undefined;
    try {
      temporary = await mkdtemp(join(flows, `${NEW_PREFIX}${process.pid}-`));
      const unpacked = join(temporary, manifest.name);
      await unpack(bundle, unpacked, options.signal);
      await options.check(unpacked, manifest);
      options.signal?.throwIfAborted();
      await takePlace({ unpacked, folder, flows, replaces: before !== 'nothing' });
    } catch (cause) {
      throw installError(cause, manifest.name);
    } finally {
      if (temporary !== undefined) await rm(temporary, { recursive: true, force: true });
    }
    return { manifest, judgement, folder, replaced: before !== 'nothing' };
  });
}

type Found = 'nothing' | 'bundle' | 'own' | 'no-folder';

async function whatIsAt(folder: string): Promise<Found> {
  const found = await lstat(folder).catch(() => undefined);
  if (found === undefined) return 'nothing';
  if (!found.isDirectory()) return 'no-folder';
  const mark = await lstat(join(folder, INSTALLED_MANIFEST)).catch(() => undefined);
  return mark === undefined ? 'own' : 'bundle';
}

function refuseToReplace(found: Found, name: string, own: InstallOptions['own']): void {
  if (found === 'no-folder' || (found === 'own' && own === 'keep')) {
    const what =
      found === 'own' ? 'a flow that came from no bundle' : 'something that is no folder';
    const hint = found === 'own' ? '; --replace puts the bundle in its place' : '';
    throw new LedgeError('bundle-invalid', `Cannot install "${name}": ${what} is there${hint}`);
  }
}

/** Writes every file into a fresh folder, and the marks of the bundle last. */
async function unpack(bundle: Bundle, folder: string, signal?: AbortSignal): Promise<void> {
  const { manifest, manifestBytes, signatures, content } = bundle;
  const folders = new Set([folder]);
  await makeFolder(folder);
  for (const file of manifest.files) {
    signal?.throwIfAborted();
    const path = placeOf(folder, file.path);
    for (let at = dirname(path); at !== folder; at = dirname(at)) folders.add(at);
    await makeFolder(dirname(path));
    await writeNew(path, content(file));
  }
  await writeNew(join(folder, INSTALLED_MANIFEST), [manifestBytes]);
  if (signatures.length > 0) {
    await writeNew(join(folder, INSTALLED_SIGNATURES), [encodeSignatures(signatures)]);
  }
  for (const one of folders) await syncFolder(one);
  // What the file system made of the names must be what the manifest says.
  const found = await listFiles(folder);
  if (found.length !== manifest.files.length) {
    throw new LedgeError('bundle-invalid', 'the file system took two of its names for one');
  }
}

/** Where a file goes; the manifest's own check and this one must both be passed. */
function placeOf(folder: string, path: string): string {
  const place = resolve(folder, path);
  if (place.startsWith(folder + sep)) return place;
  throw new LedgeError('bundle-invalid', `${tell(path)} leaves its folder`);
}

/** Writes a file that must not be there, and waits until it is on disk. */
async function writeNew(
  path: string,
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<void> {
  await using file = await open(path, 'wx', 0o644);
  for await (const piece of pieces) await file.appendFile(piece);
  await file.sync();
}

interface Swap {
  readonly unpacked: string;
  readonly folder: string;
  readonly flows: string;
  readonly replaces: boolean;
}

/** Renames the new folder into its place; the old one comes back where that fails. */
async function takePlace({ unpacked, folder, flows, replaces }: Swap): Promise<void> {
  const backup = join(flows, `${BACKUP_PREFIX}${folder.slice(flows.length + 1)}`);
  if (replaces) await rename(folder, backup);
  try {
    await rename(unpacked, folder);
  } catch (error) {
    if (replaces) await rename(backup, folder);
    throw error;
  }
  await syncFolder(flows);
  if (replaces) await rm(backup, { recursive: true, force: true });
}

/** Makes renames and new names in a folder last; where a system cannot, nothing is lost by it. */
async function syncFolder(folder: string): Promise<void> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(folder, 'r');
    await handle.sync();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EISDIR' && code !== 'EPERM' && code !== 'EINVAL') throw error;
  } finally {
    await handle?.close();
  }
}

function installError(cause: unknown, name: string): unknown {
  if (cause instanceof LedgeError) return cause;
  if ((cause as Error | undefined)?.name === 'AbortError') {
    return new LedgeError('closed', `The install of "${name}" was interrupted`, { cause });
  }
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new LedgeError('data-unwritable', `Cannot install "${name}": ${reason}`, { cause });
}
