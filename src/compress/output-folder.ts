import { createHash } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { LedgeError } from '../std/error.ts';
import type { WrittenFile } from './report.ts';

/** The report's name: a folder that has one was made here and may be made again. */
export const REPORT_FILE = 'report.json';

const OLD = '-old';

/** A folder that is filled out of sight and comes to its place whole, or not at all. */
export interface OutputFolder extends AsyncDisposable {
  /** Where files are written before they count. */
  readonly path: string;
  /** Writes a file in pieces, to disk. */
  write(name: string, pieces: readonly Piece[]): Promise<WrittenFile>;
  /** Puts the folder in its place; what was made there before goes. */
  commit(): Promise<void>;
}

export interface Piece {
  readonly offset: number;
  readonly data: Uint8Array;
}

/**
 * Opens a folder for output. Throws `data-unwritable` where its place is taken by something that was
 * not made here. Leftovers of runs that were killed are removed.
 */
export async function openOutputFolder(place: string): Promise<OutputFolder> {
  const target = resolve(place);
  await refuseStranger(target);
  const prefix = `.${basename(target)}.partial-`;
  const parent = dirname(target);
  await mkdir(parent, { recursive: true });
  for (const name of await readdir(parent)) {
    if (name.startsWith(prefix) && !isAlive(Number.parseInt(name.slice(prefix.length), 10))) {
      await clearLeftover(join(parent, name), target);
    }
  }
  const path = join(parent, `${prefix}${process.pid}`);
  await rm(path, { recursive: true, force: true });
  await mkdir(path);
  return {
    path,
    write: (name, pieces) => writeWhole(join(path, name), pieces),
    async commit() {
      const old = `${path}${OLD}`;
      await refuseStranger(target);
      const replaces = (await stat(target).catch(() => undefined)) !== undefined;
      if (replaces) await rename(target, old);
      await rename(path, target).catch(async (error: unknown) => {
        if (replaces) await rename(old, target);
        throw error;
      });
      if (replaces) await rm(old, { recursive: true, force: true });
    },
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  };
}

/** A run killed between its two renames left the earlier result aside: it goes back to its place. */
async function clearLeftover(leftover: string, target: string): Promise<void> {
  const missing = (await stat(target).catch(() => undefined)) === undefined;
  if (leftover.endsWith(OLD) && missing) await rename(leftover, target);
  else await rm(leftover, { recursive: true, force: true });
}

async function refuseStranger(target: string): Promise<void> {
  if ((await stat(target).catch(() => undefined)) === undefined) return;
  const names = await readdir(target).catch(() => undefined);
  if (names?.length === 0 || names?.includes(REPORT_FILE)) return;
  const state =
    names === undefined ? 'is no folder' : `holds files, and no ${REPORT_FILE} of an earlier run`;
  throw new LedgeError('data-unwritable', `Cannot write to ${target}: it ${state}`);
}

async function writeWhole(path: string, pieces: readonly Piece[]): Promise<WrittenFile> {
  const hash = createHash('sha256');
  await using file = await open(path, 'wx');
  let bytes = 0;
  for (const { offset, data } of pieces) {
    const gap = new Uint8Array(offset - bytes);
    await file.write(gap);
    await file.write(data);
    hash.update(gap).update(data);
    bytes = offset + data.length;
  }
  await file.sync();
  return { name: basename(path), bytes, sha256: hash.digest('hex') };
}

/** Whether a process of this number runs; one of another user counts. */
function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
