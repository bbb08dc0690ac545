import { access, constants, mkdtemp, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { type Finding, fail, formatBytes, ok, warn } from './finding.ts';

/** Below this the journal of a busy node is full within minutes. */
const FREE_BYTES_MIN = 64 * 1024 * 1024;
/** Below this it is full within a day or so. */
const FREE_BYTES_WANTED = 1024 * 1024 * 1024;

/** Whether the data folder can be written, or made, and how much is free there. */
export async function checkStorage(folder: string): Promise<Finding[]> {
  const path = resolve(folder);
  const there = await nearestThere(path);
  const advice = 'give another folder with --data, or change its owner';
  const writable = await tryWriting(there, path).catch((error: unknown) => error);
  if (writable instanceof Error) return [fail('data', `${path}: ${writable.message}`, advice)];
  const { bavail, bsize } = await statfs(there);
  const free = bavail * bsize;
  const found = `${formatBytes(free)} free`;
  const data = ok('data', there === path ? `${path}, writable` : `${path}, can be made`);
  if (free < FREE_BYTES_MIN) return [data, fail('disk', found, 'free some space')];
  if (free < FREE_BYTES_WANTED) return [data, warn('disk', found, 'free some space')];
  return [data, ok('disk', found)];
}

/** The folder itself, or the first above it that exists. */
async function nearestThere(path: string): Promise<string> {
  let at = path;
  while (at !== dirname(at)) {
    const found = await stat(at).catch(() => undefined);
    if (found !== undefined) return at;
    at = dirname(at);
  }
  return at;
}

/** A folder that is there is written for real: permissions alone do not tell of read-only disks. */
async function tryWriting(there: string, path: string): Promise<void> {
  if (!(await stat(there)).isDirectory()) throw new Error(`${there} is no folder`);
  await access(there, constants.W_OK);
  if (there !== path) return;
  const folder = await mkdtemp(join(there, '.doctor-'));
  try {
    await writeFile(join(folder, 'probe'), 'x');
  } finally {
    await rm(folder, { recursive: true });
  }
}
