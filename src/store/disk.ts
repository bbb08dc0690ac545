import { writeFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { LedgeError } from '../std/error.ts';
import type { Batch } from './batch.ts';
import { roomProblem } from './disk-room.ts';
import { freePath, isClosed, isDamage, LOG_BYTES_MAX, openLevel, repairLevel } from './level.ts';
import { seal } from './sealed.ts';
import type { Quarantined, StoreState } from './store.ts';

/** A full disk that somebody clears is noticed within this time at first, and at last. */
const RETRY_MS_MIN = 100;
const RETRY_MS_MAX = 2_000;
/** Entries and bytes read at a time: little memory, and the thread is free in between. */
const PAGE_ENTRIES_MAX = 256;
const PAGE_BYTES_MAX = 1024 * 1024;
/** Damaged entries written beside the store; beyond them they are only told. */
const SET_ASIDE_MAX = 1_000;
/** A damaged place that a repair did not mend is not repaired for ever. */
const REPAIRS_MAX = 3;

export interface DiskHooks {
  onState(state: StoreState, problem: Error | undefined): void;
  onQuarantined(quarantined: Quarantined): void;
}

export interface PageRange {
  readonly prefix: string;
  readonly after: string | undefined;
}

/** A LevelDB folder that is opened again whenever it has to be: values sealed, nothing cached. */
export interface Disk {
  readonly quarantined: readonly Quarantined[];
  /** Resolves once the changes are on disk, however long that takes; fails only after `stop`. */
  write(changes: Batch['changes'], sync: boolean): Promise<void>;
  get(key: string): Promise<Uint8Array | undefined>;
  /** The next entries of a range in order; none at its end. */
  page(range: PageRange): Promise<[string, Uint8Array][]>;
  /** Writes a damaged entry beside the store and tells of it. */
  setAside(key: string, sealed: Uint8Array): Promise<void>;
  /** Gives up what cannot be written. */
  stop(): void;
  close(): Promise<void>;
}

/** Opens the folder, and opens it again after failures that LevelDB does not forget by itself. */
export async function openDisk(folder: string, hooks: DiskHooks): Promise<Disk> {
  const opened = await openLevel(folder);
  const quarantined: Quarantined[] = [...opened.quarantined];
  const abort = new AbortController();
  let level = opened.level;
  let renewing: Promise<void> | undefined;
  let repairs = 0;
  let asideCount = 0;

  function tell(found: readonly Quarantined[]): void {
    for (const one of found) {
      quarantined.push(one);
      hooks.onQuarantined(one);
    }
  }

  /** Closes the folder and opens it, repaired first where `damage` says so, until that works. */
  function renew(damage?: string): Promise<void> {
    renewing ??= renewUntilOpen(damage).finally(() => {
      renewing = undefined;
    });
    return renewing;
  }

  async function renewUntilOpen(damage: string | undefined): Promise<void> {
    await level.close().catch(() => undefined);
    for (let waitMs = RETRY_MS_MIN; ; waitMs = Math.min(waitMs * 2, RETRY_MS_MAX)) {
      try {
        if (damage !== undefined) tell(await repairLevel(folder, damage));
        const again = await openLevel(folder);
        level = again.level;
        tell(again.quarantined);
        return;
      } catch (error) {
        hooks.onState('failing', error as Error);
        await wait(waitMs);
      }
    }
  }

  async function wait(milliseconds: number): Promise<void> {
    try {
      await pause(milliseconds, undefined, { signal: abort.signal });
    } catch {
      throw new LedgeError('closed', 'The store was closed before its disk took writes again');
    }
  }

  async function mend(error: unknown): Promise<void> {
    repairs += 1;
    if (repairs > REPAIRS_MAX) throw error;
    await renew((error as Error).message);
  }

  /** Waits for room and opens the folder again: a log with a torn record must not be written on. */
  async function recover(cause: unknown, bytes: number): Promise<void> {
    hooks.onState('failing', cause as Error);
    for (let waitMs = RETRY_MS_MIN; ; waitMs = Math.min(waitMs * 2, RETRY_MS_MAX)) {
      await wait(waitMs);
      const problem = await roomProblem(folder, bytes + 2 * LOG_BYTES_MAX);
      if (problem === undefined) return renew();
      hooks.onState('failing', problem);
    }
  }

  async function write(changes: Batch['changes'], sync: boolean): Promise<void> {
    let bytes = 0;
    const operations = [...changes].map(([key, value]) => {
      if (value === undefined) return { type: 'del', key } as const;
      bytes += value.byteLength;
      return { type: 'put', key, value: seal(key, value) } as const;
    });
    for (;;) {
      await renewing;
      try {
        await level.batch(operations, { sync });
        hooks.onState('open', undefined);
        return;
      } catch (error) {
        if (isClosed(error) && renewing !== undefined) continue;
        if (isDamage(error) && repairs < REPAIRS_MAX) await mend(error);
        else await recover(error, bytes);
      }
    }
  }

  async function read<T>(use: () => Promise<T>): Promise<T> {
    for (;;) {
      await renewing;
      try {
        return await use();
      } catch (error) {
        if (isDamage(error)) await mend(error);
        else if (!isClosed(error) || renewing === undefined) throw error;
      }
    }
  }

  return {
    quarantined,
    write,
    get: (key) => read(() => level.get(key)),
    page: ({ prefix, after }) =>
      read(async () => {
        const iterator = level.iterator({
          ...(after === undefined ? { gte: prefix } : { gt: after }),
          lt: `${prefix}\u{10ffff}`,
          highWaterMarkBytes: PAGE_BYTES_MAX,
        });
        try {
          return await iterator.nextv(PAGE_ENTRIES_MAX);
        } finally {
          await iterator.close();
        }
      }),
    async setAside(key, sealed) {
      asideCount += 1;
      const path = asideCount <= SET_ASIDE_MAX ? await freePath(folder) : folder;
      const reason = `The value of ${JSON.stringify(key)} does not agree with its checksum`;
      // A disk that is full as well must not keep the sound entries from being read.
      if (path !== folder) await writeFile(path, sealed).catch(() => undefined);
      tell([{ path, reason }]);
    },
    stop: () => abort.abort(),
    async close() {
      abort.abort();
      await renewing?.catch(() => undefined);
      await level.close();
    },
  };
}
