import { LedgeError } from '../std/error.ts';
import { type Batch, bytesOfWrites, createBatch } from './batch.ts';
import { openDisk } from './disk.ts';
import { type Changes, compareKeys, mergeChanges } from './merge.ts';
import { unseal } from './sealed.ts';
import type { Quarantined, RangeOptions, Store, StoreState, Write } from './store.ts';

/** Waiting changes in memory while the disk does not take them. */
export const QUEUE_BYTES_MAX = 64 * 1024 * 1024;
/** How long writes gather for one fsync: what a publisher's acknowledgement waits at most. */
export const BATCH_MS = 5;
/** Changes that have gathered this much go at once: waiting on saves no fsync worth the memory. */
const GATHER_BYTES_MAX = 1024 * 1024;
/** How long closing waits for a disk that does not take writes. */
const CLOSE_MS_MAX = 2_000;

export type SyncMode = 'always' | 'batch' | 'off';

export interface StoreOptions {
  /** Made where it is missing; `<folder>.damaged-<n>` beside it takes what cannot be read. */
  readonly folder: string;
  /** Default `batch`. */
  readonly sync?: SyncMode;
  /** Default 5. */
  readonly batchMs?: number;
  /** Default 64 MiB. */
  readonly queueBytesMax?: number;
  /** Told of what is set aside after the opening, too; `quarantined` lists everything. */
  readonly onQuarantined?: (quarantined: Quarantined) => void;
}

/**
 * Opens the store, whatever state its files are in. Fails with `data-unwritable` where the disk takes
 * no writes at all, and with `unavailable` where another process has it open.
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const { sync = 'batch', batchMs = BATCH_MS, queueBytesMax = QUEUE_BYTES_MAX } = options;
  const listeners = new Set<(state: StoreState) => void>();
  let state: StoreState = 'open';
  let problem: Error | undefined;
  const queued: Batch[] = [];
  let flying: Batch | undefined;
  let timer: NodeJS.Timeout | undefined;
  let hurried = false;
  let closing: Promise<void> | undefined;
  const disk = await openDisk(options.folder, {
    onQuarantined: options.onQuarantined ?? (() => undefined),
    onState(next, cause) {
      problem = cause;
      if (next === state) return;
      state = next;
      for (const tell of listeners) tell(state);
    },
  });

  function waitingBytes(): number {
    let sum = flying?.bytes ?? 0;
    for (const { bytes } of queued) sum += bytes;
    return sum;
  }

  function write(writes: readonly Write[]): Promise<void> {
    if (closing !== undefined) return Promise.reject(closedError());
    const bytes = bytesOfWrites(writes);
    const waiting = waitingBytes();
    // What only deletes is always taken: it makes room.
    if (waiting + bytes > queueBytesMax && writes.some(({ kind }) => kind === 'put')) {
      const text = `Cannot keep ${bytes} bytes more: ${waiting} wait for the disk`;
      const context = { bytes, waiting, queueBytesMax };
      return Promise.reject(new LedgeError('overflow', text, { retriable: true, context }));
    }
    let batch = sync === 'always' ? undefined : queued.at(-1);
    if (batch === undefined) {
      batch = createBatch();
      queued.push(batch);
    }
    batch.add(writes);
    schedule();
    return batch.written;
  }

  function schedule(): void {
    const [first] = queued;
    if (flying !== undefined || first === undefined) return;
    if (hurried || sync === 'always' || first.bytes >= GATHER_BYTES_MAX) return commit();
    if (timer !== undefined) return;
    const waitMs = first.sinceMs + batchMs - performance.now();
    if (waitMs <= 0) commit();
    else timer = setTimeout(commit, waitMs);
  }

  function commit(): void {
    clearTimeout(timer);
    timer = undefined;
    const batch = queued.shift();
    if (batch === undefined) return;
    flying = batch;
    if (queued.length === 0) hurried = false;
    const ended = (settle: () => void) => {
      flying = undefined;
      settle();
      schedule();
    };
    const written = batch.changes.size === 0 ? done() : disk.write(batch.changes, sync !== 'off');
    written.then(
      () => ended(() => batch.resolve()),
      (error: unknown) => ended(() => batch.reject(error)),
    );
  }

  /** The newest change of a key that waits, if there is one. */
  function changeOf(key: string): { readonly value: Uint8Array | undefined } | undefined {
    for (const { changes } of [...queued].reverse()) {
      if (changes.has(key)) return { value: changes.get(key) };
    }
    return flying?.changes.has(key) ? { value: flying.changes.get(key) } : undefined;
  }

  function changesOf(prefix: string, after: string | undefined): Changes {
    const changes = new Map<string, Uint8Array | undefined>();
    for (const batch of flying === undefined ? queued : [flying, ...queued]) {
      for (const [key, value] of batch.changes) {
        if (!key.startsWith(prefix)) continue;
        if (after === undefined || compareKeys(key, after) > 0) changes.set(key, value);
      }
    }
    return [...changes].sort(([a], [b]) => compareKeys(a, b));
  }

  /** The value behind its checksum; a damaged one is kept aside, told and taken out. */
  async function open(key: string, sealed: Uint8Array): Promise<Uint8Array | undefined> {
    const value = unseal(key, sealed);
    if (value !== undefined) return value;
    await disk.setAside(key, sealed);
    if (closing === undefined && changeOf(key) === undefined) {
      write([{ kind: 'delete', key }]).catch(() => undefined);
    }
    return undefined;
  }

  async function* entries(
    prefix: string,
    { after, limit = Infinity }: RangeOptions = {},
  ): AsyncGenerator<readonly [string, Uint8Array]> {
    let left = limit;
    for (let last = after; left > 0; ) {
      if (closing !== undefined) throw closedError();
      // Both are taken in one turn: what leaves the queue meanwhile is in the one or the other.
      const changes = changesOf(prefix, last);
      const page = await disk.page({ prefix, after: last });
      const end = page.at(-1)?.[0];
      const within =
        end === undefined ? changes : changes.filter(([key]) => compareKeys(key, end) <= 0);
      for (const [key, { from, value }] of mergeChanges(page, within)) {
        const sound = from === 'queue' ? value : await open(key, value);
        if (sound === undefined) continue;
        yield [key, sound];
        left -= 1;
        if (left <= 0) return;
      }
      if (end === undefined) return;
      last = end;
    }
  }

  function flush(): Promise<void> {
    const last = queued.at(-1) ?? flying;
    if (last === undefined) return done();
    hurried = queued.length > 0;
    schedule();
    return last.written;
  }

  async function close(): Promise<void> {
    const giveUp = setTimeout(() => disk.stop(), CLOSE_MS_MAX);
    await flush().catch(() => undefined);
    clearTimeout(giveUp);
    for (const batch of queued.splice(0)) batch.reject(closedError());
    await disk.close();
  }

  return {
    get state() {
      return state;
    },
    get problem() {
      return problem;
    },
    quarantined: disk.quarantined,
    onState(tell) {
      listeners.add(tell);
      return () => listeners.delete(tell);
    },
    write,
    async get(key) {
      const change = changeOf(key);
      if (change !== undefined) return change.value;
      if (closing !== undefined) throw closedError();
      const sealed = await disk.get(key);
      return sealed === undefined ? undefined : open(key, sealed);
    },
    entries,
    flush,
    [Symbol.asyncDispose]() {
      closing ??= close();
      return closing;
    },
  };
}

function done(): Promise<void> {
  return Promise.resolve();
}

function closedError(): LedgeError {
  return new LedgeError('closed', 'The store is closed');
}
