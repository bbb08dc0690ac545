import { copyFile, link, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import { LedgeError } from '../std/error.ts';
import { roomProblem } from './disk-room.ts';
import { cutLogs } from './log-tail.ts';
import type { Quarantined } from './store.ts';
import { damagedTables } from './table-check.ts';

/** LevelDB's log in memory and on disk before it becomes a table: what an opening has to read again. */
export const LOG_BYTES_MAX = 4 * 1024 * 1024;

/** One LevelDB folder: text keys, bytes as values. */
export type Level = ClassicLevel<string, Uint8Array>;

/** LevelDB's own words for a record of its log that it leaves out. */
const LEFT_OUT = /dropping \d+ bytes; .*/;

export interface OpenedLevel {
  readonly level: Level;
  readonly quarantined: readonly Quarantined[];
}

/**
 * Opens a LevelDB folder whatever state its files are in: as it is, else repaired, else anew with the
 * old folder set aside as `<folder>.damaged-<n>`. Tells what of it could not be kept. Fails with
 * `data-unwritable` where the disk does not take writes and `unavailable` where another process has it.
 */
export async function openLevel(folder: string): Promise<OpenedLevel> {
  await makeStoreFolder(folder);
  const quarantined: Quarantined[] = [];
  const level = await attemptSound(folder, quarantined).catch(async (first: unknown) => {
    await refuseUnlessDamaged(folder, first);
    try {
      quarantined.push(...(await repairLevel(folder, reasonOf(first))));
      const repaired = await attempt(folder, quarantined);
      // Written anew, what a repair kept is under checksums that hold.
      await repaired.compactRange('', '\u{10ffff}').catch(async (error: unknown) => {
        await repaired.close();
        throw error;
      });
      return repaired;
    } catch (second) {
      await refuseUnlessDamaged(folder, second);
      const path = await freePath(folder);
      await rename(folder, path);
      quarantined.push({ path, reason: reasonOf(second) });
      await makeStoreFolder(folder);
      return attempt(folder, quarantined);
    }
  });
  return { level, quarantined };
}

/** Repairs a closed folder; what could not be read is kept beside it. Tells where. */
export async function repairLevel(folder: string, reason: string): Promise<Quarantined[]> {
  const aside = join(folder, 'kept');
  await rm(aside, { recursive: true, force: true });
  await mkdir(aside);
  const damaged = await damagedTables(folder);
  for (const { file } of damaged) await keepFile(join(folder, file), join(aside, file));
  await ClassicLevel.repair(folder);
  const lost = join(folder, 'lost');
  for (const file of await readdir(lost).catch(() => [])) {
    await rename(join(lost, file), join(aside, file));
  }
  await rm(lost, { recursive: true, force: true });
  if ((await readdir(aside)).length === 0) return [];
  const path = await freePath(folder);
  await rename(aside, path);
  const tables = damaged.map((table) => `${table.file}: ${table.reason}`);
  return [{ path, reason: tables.length > 0 ? tables.join('; ') : reason }];
}

/** Whether LevelDB says that what it read is damaged. */
export function isDamage(error: unknown): boolean {
  return codesOf(error).includes('LEVEL_CORRUPTION');
}

/** Whether an operation failed because the database was closed under it. */
export function isClosed(error: unknown): boolean {
  const codes = codesOf(error);
  return codes.includes('LEVEL_DATABASE_NOT_OPEN') || codes.includes('LEVEL_ITERATOR_NOT_OPEN');
}

/** A folder or file name beside the store that is not taken: `<folder>.damaged-<n>`. */
export async function freePath(folder: string): Promise<string> {
  const taken = new Set(await readdir(dirname(folder)));
  for (let n = 1; ; n += 1) {
    if (!taken.has(`${basename(folder)}.damaged-${n}`)) return `${folder}.damaged-${n}`;
  }
}

/** Opens a folder whose tables agree with their checksums. */
async function attemptSound(folder: string, quarantined: Quarantined[]): Promise<Level> {
  const [damaged] = await damagedTables(folder);
  if (damaged !== undefined) throw damage(`${damaged.file}: ${damaged.reason}`);
  return attempt(folder, quarantined);
}

async function attempt(folder: string, quarantined: Quarantined[]): Promise<Level> {
  const files = await readdir(folder);
  // Without CURRENT the library would take the folder for empty and delete the tables in it.
  if (!files.includes('CURRENT') && files.some((file) => /\.(ldb|sst|log)$/.test(file))) {
    throw damage('the file CURRENT is missing');
  }
  const kept = await keepLogs(folder, files);
  const cut = await cutLogs(kept);
  const level: Level = new ClassicLevel(folder, {
    keyEncoding: 'utf8',
    valueEncoding: 'view',
    // A flipped bit damages one value, not a block of them; pictures and sound hardly compress.
    compression: false,
    writeBufferSize: LOG_BYTES_MAX,
  });
  try {
    await level.open();
  } catch (error) {
    await rm(kept, { recursive: true, force: true });
    throw error;
  }
  const reason = (await leftOut(folder)) ?? cut;
  if (reason === undefined) await rm(kept, { recursive: true, force: true });
  else {
    const path = await freePath(folder);
    await rename(kept, path);
    quarantined.push({ path, reason });
  }
  return level;
}

/** The library deletes its logs once it has read them, also where it left records out: keep them. */
async function keepLogs(folder: string, files: readonly string[]): Promise<string> {
  const kept = join(folder, 'kept');
  await rm(kept, { recursive: true, force: true });
  await mkdir(kept);
  for (const file of files.filter((name) => name.endsWith('.log'))) {
    await keepFile(join(folder, file), join(kept, file));
  }
  return kept;
}

function keepFile(from: string, to: string): Promise<void> {
  // Not every file system has links.
  return link(from, to).catch(() => copyFile(from, to));
}

function damage(reason: string): Error {
  return Object.assign(new Error(reason), { code: 'LEVEL_CORRUPTION' });
}

async function leftOut(folder: string): Promise<string | undefined> {
  const text = await readFile(join(folder, 'LOG'), 'utf8').catch(() => '');
  return LEFT_OUT.exec(text)?.[0];
}

/** Throws on where the files are not to blame. */
async function refuseUnlessDamaged(folder: string, error: unknown): Promise<void> {
  const text = `Cannot open the store ${folder}: ${reasonOf(error)}`;
  if (codesOf(error).includes('LEVEL_LOCKED')) {
    throw new LedgeError('unavailable', `${text}; another process has it open`, { cause: error });
  }
  if (isDamage(error)) return;
  const full = await roomProblem(folder, 2 * LOG_BYTES_MAX);
  if (full !== undefined) {
    throw new LedgeError('data-unwritable', `${text}; ${full.message}`, { cause: error });
  }
}

async function makeStoreFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (cause) {
    const text = `Cannot make the folder ${folder} for the store: ${reasonOf(cause)}`;
    throw new LedgeError('data-unwritable', text, { cause });
  }
}

/** The library's errors have the code of what failed in their cause. */
function codesOf(error: unknown): readonly unknown[] {
  const codes: unknown[] = [];
  for (let at = error; at instanceof Error; at = at.cause) codes.push('code' in at && at.code);
  return codes;
}

function reasonOf(error: unknown): string {
  let at = error;
  while (at instanceof Error && at.cause instanceof Error) at = at.cause;
  return at instanceof Error ? at.message : String(at);
}
