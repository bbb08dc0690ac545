import type { Clock } from '../std/clock.ts';
import { LedgeError } from '../std/error.ts';
import type { OutboxClass, Tally } from './outbox-class.ts';
import { encodeCounts, outboxKeys } from './outbox-record.ts';
import type { Store, Write } from './store.ts';

/** Acknowledgements are gathered this long: their removal is one write. */
const GATHER_MS = 20;

/** A message by its place on disk. */
export interface Place {
  readonly class: OutboxClass;
  readonly seq: number;
}

interface RemovalOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly counts: Readonly<Record<OutboxClass, Tally>>;
  /** Milliseconds that the outbox has been open, over all runs. */
  running(): number;
}

/** Counters and the removals they count, always written together: after a crash they still fit. */
export interface Removals {
  /** The counters of a class changed, and perhaps one of its messages is gone. */
  note(name: OutboxClass, place?: Place): void;
  /** Writes what was noted, with more that belongs to it; where that fails it stays noted. */
  write(more?: readonly Write[]): Promise<void>;
}

/** Gathers what is to be removed, and writes it together with the counters that it changed. */
export function createRemovals(options: RemovalOptions): Removals {
  const { store, clock, counts, running } = options;
  const dirty = new Set<OutboxClass>();
  let removed: Place[] = [];
  let cancel: (() => void) | undefined;

  async function write(more: readonly Write[] = []): Promise<void> {
    cancel?.();
    cancel = undefined;
    const gone = removed;
    const changed = [...dirty];
    removed = [];
    dirty.clear();
    const writes: Write[] = [];
    for (const { class: name, seq } of gone) {
      writes.push({ kind: 'delete', key: outboxKeys.header(name, seq) });
      writes.push({ kind: 'delete', key: outboxKeys.body(name, seq) });
    }
    for (const name of changed) {
      const value = encodeCounts(counts[name], running());
      writes.push({ kind: 'put', key: outboxKeys.counts(name), value });
    }
    try {
      if (writes.length + more.length > 0) await store.write([...writes, ...more]);
    } catch (error) {
      removed = [...gone, ...removed];
      for (const name of changed) dirty.add(name);
      throw error;
    }
  }

  async function writeSoon(): Promise<void> {
    try {
      await write();
    } catch (error) {
      if (!(error instanceof LedgeError) || error.code !== 'closed') schedule();
    }
  }

  function schedule(): void {
    cancel ??= clock.after(GATHER_MS, () => void writeSoon());
  }

  return {
    write,
    note(name, entry) {
      dirty.add(name);
      if (entry !== undefined) removed.push(entry);
      schedule();
    },
  };
}
