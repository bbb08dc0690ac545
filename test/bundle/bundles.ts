import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { encodeManifest } from '../../src/bundle/manifest.ts';
import { addSignature } from '../../src/bundle/signatures.ts';
import { encodeHeader } from '../../src/bundle/ustar.ts';

/** A file of a test's archive, as it is put there: nothing is checked. */
export interface RawEntry {
  readonly name: string;
  readonly data: Uint8Array | string;
  /** Changes the header before its checksum is written anew. */
  readonly spoil?: (header: Buffer) => void;
}

/** A header whose fields were changed, its checksum right. */
export function spoiled(header: Uint8Array, spoil: (header: Buffer) => void): Buffer {
  const block = Buffer.from(header);
  spoil(block);
  block.fill(0x20, 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

/** A tar of entries in their order, whatever they are called. */
export function tarOf(entries: readonly RawEntry[]): Buffer {
  const parts = entries.flatMap(({ name, data, spoil }) => {
    const bytes = Buffer.from(data);
    const slash = name.indexOf('/');
    const plain = encodeHeader({ name: 'placeholder', size: bytes.length });
    const header = spoiled(plain, (block) => {
      block.fill(0, 0, 100);
      block.write(name.slice(slash + 1), 0, 'latin1');
      if (slash > 0) block.write(name.slice(0, slash), 345, 'latin1');
      spoil?.(block);
    });
    return [header, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)];
  });
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}

export interface Made {
  readonly name?: string;
  readonly ledge?: string;
  readonly version?: string;
  /** Contents by path; the order is that of the manifest. */
  readonly files: Readonly<Record<string, Uint8Array | string>>;
  readonly privateKey?: Parameters<typeof addSignature>[2];
}

/** The entries of a bundle with these files, for a test to change one of them. */
export function bundleEntries(made: Made): RawEntry[] {
  const files = Object.entries(made.files).map(([path, data]) => ({
    path,
    bytes: Buffer.from(data).length,
    sha256: createHash('sha256').update(data).digest('hex'),
  }));
  const { name = 'demo', ledge = '0.1.0', version = '1' } = made;
  const created = '2026-01-01T00:00:00Z';
  const manifest = encodeManifest({ name, version, created, ledge, files });
  const entries: RawEntry[] = [{ name: 'bundle.json', data: manifest }];
  if (made.privateKey !== undefined) {
    const signatures = addSignature(manifest, [], made.privateKey);
    const data = `${JSON.stringify({ signatures }, null, 1)}\n`;
    entries.push({ name: 'bundle.sig', data });
  }
  const contents = Object.entries(made.files);
  return [...entries, ...contents.map(([path, data]) => ({ name: `files/${path}`, data }))];
}

/** Writes a folder of files by their paths. */
export async function writeFolder(
  folder: string,
  files: Readonly<Record<string, Uint8Array | string>>,
): Promise<void> {
  for (const [path, data] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), data);
  }
}
