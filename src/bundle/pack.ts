import { createHash, type KeyObject } from 'node:crypto';
import { basename, resolve } from 'node:path';
import { LedgeError } from '../std/error.ts';
import { packageVersion } from '../std/package.ts';
import { hashFile, listFiles, readHashed } from './flow-files.ts';
import { type BundleManifest, encodeManifest, parseBundleManifest } from './manifest.ts';
import { withBundle } from './read-bundle.ts';
import { addSignature, type Signature } from './signatures.ts';
import { writeBundle } from './write-bundle.ts';

/** Digits of the hash that stand for a version where none was given. */
const HASH_DIGITS = 12;

export interface DescribeOptions {
  /** Default: the beginning of a hash of the files. */
  readonly version?: string;
  /** Default: when the newest of the files was written. */
  readonly created?: Date;
}

/** A flow's folder, and the manifest of its files as they were read. */
export interface DescribedFlow {
  readonly folder: string;
  readonly manifest: BundleManifest;
  readonly manifestBytes: Uint8Array;
}

/** A bundle that was written. */
export interface Packed {
  readonly manifest: BundleManifest;
  readonly signatures: readonly Signature[];
}

/** Reads every file of a flow's folder for a manifest. Fails with bundle-invalid, not-found. */
export async function describeFlow(
  folder: string,
  options: DescribeOptions = {},
): Promise<DescribedFlow> {
  const manifestBytes = await encodeFlow(folder, options);
  return { folder, manifest: parseBundleManifest(manifestBytes), manifestBytes };
}

/**
 * Writes a bundle, signed where there is a key. The same files with the same times give the same bytes.
 * Fails with bundle-invalid where a file changed since it was described, and with data-unwritable.
 */
export async function packFlow(
  { folder, manifest, manifestBytes }: DescribedFlow,
  path: string,
  privateKey?: KeyObject,
): Promise<Packed> {
  const signatures = privateKey === undefined ? [] : addSignature(manifestBytes, [], privateKey);
  const { files } = manifest;
  const content = (file: (typeof files)[number]) => readHashed(folder, file);
  await writeBundle(path, { manifestBytes, signatures, files, content });
  return { manifest, signatures };
}

/** Adds a signature to a bundle, or renews that key's; every file is checked on the way. */
export async function signBundle(
  path: string,
  privateKey: KeyObject,
  out: string = path,
): Promise<Packed> {
  return withBundle(path, async ({ manifest, manifestBytes, signatures: before, content }) => {
    const signatures = addSignature(manifestBytes, before, privateKey);
    await writeBundle(out, { manifestBytes, signatures, files: manifest.files, content });
    return { manifest, signatures };
  });
}

async function encodeFlow(
  folder: string,
  { version, created }: DescribeOptions,
): Promise<Uint8Array> {
  const paths = await listFiles(folder).catch((cause: unknown) => {
    if (cause instanceof LedgeError) throw cause;
    throw new LedgeError('not-found', `Cannot pack ${folder}: it cannot be read`, { cause });
  });
  const files = [];
  for (const path of paths) files.push(await hashFile(folder, path));
  const newestMs = Math.max(0, ...files.map(({ modifiedMs }) => modifiedMs));
  const list = files.map(({ path, bytes, sha256 }) => `${sha256} ${bytes} ${path}\n`).join('');
  return encodeManifest({
    name: basename(resolve(folder)),
    version: version ?? createHash('sha256').update(list).digest('hex').slice(0, HASH_DIGITS),
    created: secondsOf(created ?? new Date(newestMs)),
    ledge: packageVersion(),
    files,
  });
}

/** A time in whole seconds, as ISO 8601 in UTC. */
function secondsOf(time: Date): string {
  return time.toISOString().replace(/\.\d+Z$/, 'Z');
}
