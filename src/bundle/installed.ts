import { open } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { LedgeError } from '../std/error.ts';
import { tell } from './entry-path.ts';
import { hashFile, listFiles } from './flow-files.ts';
import type { PublicKey } from './keys.ts';
import { MANIFEST_BYTES_MAX, SIGNATURES_BYTES_MAX } from './limits.ts';
import { type BundleManifest, parseBundleManifest } from './manifest.ts';
import { type Judgement, judgeSignatures, parseSignatures } from './signatures.ts';

/** The manifest of the bundle that a folder was installed from, beside flow.yaml. */
export const INSTALLED_MANIFEST = '.bundle.json';
/** Its signatures. */
export const INSTALLED_SIGNATURES = '.bundle.sig';

/** What a flow's folder is. */
export type InstalledState =
  | { readonly kind: 'own' }
  | { readonly kind: 'bundle'; readonly manifest: BundleManifest; readonly judgement: Judgement };

/**
 * Verifies a flow's folder against the bundle it was installed from: signatures, then every file, and
 * that there is no other. A folder without a manifest is somebody's own. Throws LedgeError
 * bundle-invalid, bundle-untrusted.
 */
export async function verifyInstalled(
  folder: string,
  trust: readonly PublicKey[],
): Promise<InstalledState> {
  const manifestBytes = await readIfThere(folder, INSTALLED_MANIFEST, MANIFEST_BYTES_MAX);
  if (manifestBytes === undefined) return { kind: 'own' };
  const manifest = parseBundleManifest(manifestBytes);
  const text = await readIfThere(folder, INSTALLED_SIGNATURES, SIGNATURES_BYTES_MAX);
  const signatures = text === undefined ? [] : parseSignatures(text);
  const judgement = judgeSignatures(manifestBytes, signatures, trust);
  const name = basename(resolve(folder));
  if (name !== manifest.name) {
    throw altered(name, `its bundle is that of "${manifest.name}"`);
  }
  await compareFiles(folder, manifest);
  return { kind: 'bundle', manifest, judgement };
}

async function compareFiles(folder: string, { name, files }: BundleManifest): Promise<void> {
  const found = await listFiles(folder);
  const named = new Set(files.map(({ path }) => path));
  const extra = found.find((path) => !named.has(path));
  if (extra !== undefined) throw altered(name, `${tell(extra)} is not in its bundle`);
  for (const { path, bytes, sha256 } of files) {
    if (!found.includes(path)) throw altered(name, `${tell(path)} is missing`);
    const now = await hashFile(folder, path);
    if (now.bytes !== bytes || now.sha256 !== sha256) throw altered(name, `${tell(path)} changed`);
  }
}

async function readIfThere(
  folder: string,
  name: string,
  bytesMax: number,
): Promise<Uint8Array | undefined> {
  try {
    await using handle = await open(join(folder, name), 'r');
    const buffer = Buffer.alloc(bytesMax + 1);
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0);
    return buffer.subarray(0, bytesRead);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new LedgeError('bundle-invalid', `Cannot read ${join(folder, name)}`, { cause });
  }
}

function altered(name: string, state: string): LedgeError {
  const message = `The flow "${name}" is not as its bundle installed it: ${state}`;
  return new LedgeError('bundle-invalid', message, { context: { flow: name } });
}
