import type { Clock } from '../std/clock.ts';
import { LedgeError } from '../std/error.ts';
import { createDrainOrder } from './drain-order.ts';
import { createBodies } from './outbox-bodies.ts';
import {
  type ClassLimits,
  type ClassStats,
  OUTBOX_CLASSES,
  type OutboxClass,
  type OutboxDropReason,
  type Tally,
} from './outbox-class.ts';
import type { ClassIndex, Entry } from './outbox-index.ts';
import { entryOf, readOutbox } from './outbox-read.ts';
import { encodeHeader, forEachClass, outboxKeys } from './outbox-record.ts';
import { createRemovals, type Place } from './outbox-removals.ts';
import { createRoom } from './outbox-room.ts';
import type { Store, Write } from './store.ts';

/** What the header and the keys of a message take on disk, about. */
const HEADER_BYTES = 128;
/** Half of what the store lets wait for the disk: a larger message would wait for ever. */
const MESSAGE_BYTES_MAX = 32 * 1024 * 1024;
/** Bodies of live messages that are in memory still: they need not be read from disk. */
const RECENT_BYTES_MAX = 4 * 1024 * 1024;
/** How often what is too old is looked for; ages are counted in hours. */
const SWEEP_MS = 1_000;

/** A message to keep until the other side has it. */
export interface OutboxItem {
  readonly class: OutboxClass;
  readonly topic: string;
  /** Whatever the sender needs to send it. */
  readonly body: Uint8Array;
  /** After so many seconds nobody wants it any more. */
  readonly expirySeconds?: number;
}

/** A message that is to be sent now: answered by `acknowledge`, `drop` or `recall`. */
export interface Lease {
  readonly entry: Entry;
  /** Undefined where it cannot be read any more. Never fails. */
  readonly body: Promise<Uint8Array | undefined>;
  /** It did not go out when it came: it waited for the uplink, or behind one that did. */
  readonly replayed: boolean;
  /** What is left of its own expiry interval. */
  readonly expirySeconds: number | undefined;
}

export interface DurableOutboxOptions {
  readonly store: Store;
  readonly limits: Readonly<Record<OutboxClass, ClassLimits>>;
  /** All classes together. */
  readonly bytesMax: number;
  readonly replayPerSecond: number;
  readonly clock: Clock;
  /** Called when `lease` may have something that it had not before. */
  onReady(): void;
  /** Told what could not be read from disk. */
  onDamaged?(key: string, error: unknown): void;
  /** Milliseconds that only grow. Default: since the process began. */
  monotonicMs?(): number;
}

/** Messages on disk until another broker has taken them. Order is kept for each topic. */
export interface DurableOutbox extends AsyncDisposable {
  /**
   * Resolves when the message is on disk, or given up by the policy of its class. Waits while the disk
   * takes nothing. Fails with `closed` after disposal.
   */
  put(item: OutboxItem): Promise<'stored' | 'dropped'>;
  /** From now on what comes is live, and what waits is replayed. */
  online(): void;
  /** Gives nothing more to send. What is on its way stays so. */
  offline(): void;
  /** What is on its way was lost: it waits again, before everything else of its topics. */
  recall(): void;
  /** The message whose turn it is; undefined: none now, `onReady` tells. */
  lease(): Lease | undefined;
  /** The other side has it. */
  acknowledge(lease: Lease): void;
  /** It will never be taken. */
  drop(lease: Lease, reason: OutboxDropReason): void;
  /** Whether a message on this topic waits or is on its way. */
  holds(name: OutboxClass, topic: string): boolean;
  stats(): Readonly<Record<OutboxClass, ClassStats>>;
  /** Resolves when what was acknowledged before is gone from disk. */
  flush(): Promise<void>;
}

interface Parts {
  readonly options: DurableOutboxOptions;
  readonly indexes: Readonly<Record<OutboxClass, ClassIndex>>;
  readonly counts: Readonly<Record<OutboxClass, Tally>>;
  /** Milliseconds that this outbox has been open, over all runs. */
  readonly running: () => number;
}

/** Reads what an earlier run left, and opens the outbox; it is offline yet. */
export async function openOutbox(options: DurableOutboxOptions): Promise<DurableOutbox> {
  const { indexes, counts, ranMs } = await readOutbox(options.store, options.onDamaged);
  const monotonic = options.monotonicMs ?? (() => performance.now());
  const beganMs = monotonic() - ranMs;
  const running = () => Math.max(ranMs, Math.round(monotonic() - beganMs));
  return createOutbox({ options, indexes, counts, running });
}

function createOutbox(parts: Parts): DurableOutbox {
  const { options, indexes, counts, running } = parts;
  const { store, limits, clock } = options;
  const bodies = createBodies(RECENT_BYTES_MAX);
  const removals = createRemovals({ store, clock, counts, running });
  const room = createRoom({ indexes, limits, bytesMax: options.bytesMax, drop });
  const order = createDrainOrder({
    indexes,
    weight: (name) => limits[name].weight,
    replayPerSecond: options.replayPerSecond,
    now: options.monotonicMs ?? (() => performance.now()),
  });
  let epoch = 0;
  let connection: 'online' | 'offline' = 'offline';
  let closed = false;
  /** While the store takes nothing: resolves when it is worth another try. */
  let full: Promise<void> | undefined;
  let cancelWake: (() => void) | undefined;
  const stopSweep = clock.every(SWEEP_MS, sweep);

  function giveUp(entry: Place, reason: OutboxDropReason): void {
    const { dropped } = counts[entry.class];
    dropped[reason] = (dropped[reason] ?? 0) + 1;
    removals.note(entry.class, entry);
  }

  function drop(entry: Entry, reason: OutboxDropReason): void {
    if (entry.state === 'gone') return;
    indexes[entry.class].remove(entry);
    bodies.take(entry);
    giveUp(entry, reason);
  }

  function isOver({ class: name, stampMs, expiresMs }: Entry, now: number): boolean {
    const old = now - stampMs > limits[name].ageSecondsMax * 1e3;
    return old || (expiresMs !== undefined && now >= expiresMs);
  }

  function sweep(): void {
    const now = running();
    for (const { backlog, live } of Object.values(indexes)) {
      for (const line of [backlog, live]) {
        for (let { first } = line; first !== undefined && isOver(first, now); { first } = line) {
          drop(first, 'expired');
        }
      }
    }
  }

  function enter(item: OutboxItem): Entry | undefined {
    const { class: name, topic, body } = item;
    const index = indexes[name];
    const bytes = body.byteLength + Buffer.byteLength(topic) + HEADER_BYTES;
    const tally = counts[name];
    tally.emitted += 1;
    tally.lastSeq += 1;
    const seq = tally.lastSeq;
    if (limits[name].overflow === 'compact-latest') {
      const newest = index.newest(topic);
      if (newest !== undefined) drop(newest, 'compacted');
    }
    const fit = bytes > MESSAGE_BYTES_MAX ? 'too-large' : room(name, bytes);
    if (fit !== 'fits') {
      giveUp({ class: name, seq }, fit === 'no-room' ? 'overflow' : fit);
      return undefined;
    }
    const stampMs = running();
    const { expirySeconds } = item;
    const expiresMs = expirySeconds === undefined ? undefined : stampMs + expirySeconds * 1e3;
    const header = { topic, bytes, stampMs, ts: clock.now(), expiresMs };
    const entry = entryOf(header, { class: name, seq, epoch, state: 'storing' }, index);
    index.add(entry, connection);
    return entry;
  }

  async function put(item: OutboxItem): Promise<'stored' | 'dropped'> {
    while (full !== undefined) await full;
    if (closed) throw closedError(item.topic);
    const entry = enter(item);
    if (entry === undefined) return 'dropped';
    const writes = recordOf(entry, item.body);
    // A policy may give it up while it is written: it is gone then, and removed after the write.
    while (entry.state !== 'gone') {
      try {
        await removals.write(writes);
        break;
      } catch (error) {
        if (!(error instanceof LedgeError) || !error.retriable || closed) {
          forget(entry);
          throw error;
        }
        await whileFull(entry.class);
      }
    }
    if (entry.state === 'gone') return 'dropped';
    entry.state = 'waiting';
    if (connection === 'online') bodies.keep(entry, item.body);
    options.onReady();
    return 'stored';
  }

  /** Waits until the store takes something again; the counters on disk leave the message out. */
  async function whileFull(name: OutboxClass): Promise<void> {
    const tally = counts[name];
    tally.unwritten += 1;
    full ??= store.flush().then(reopen, reopen);
    await full;
    tally.unwritten -= 1;
    removals.note(name);
  }

  function reopen(): void {
    full = undefined;
  }

  /** Takes back a message that never reached the disk: whoever gave it will give it again. */
  function forget(entry: Entry): void {
    indexes[entry.class].remove(entry);
    counts[entry.class].emitted -= 1;
  }

  function lease(): Lease | undefined {
    while (connection === 'online' && !closed) {
      const turn = order.next(epoch);
      if (turn === undefined) return undefined;
      if ('waitMs' in turn) {
        cancelWake?.();
        cancelWake = clock.after(turn.waitMs, options.onReady);
        return undefined;
      }
      const { entry } = turn;
      if (isOver(entry, running())) {
        drop(entry, 'expired');
        continue;
      }
      const replayed = entry.line?.kind === 'backlog';
      indexes[entry.class].lease(entry);
      return { entry, body: read(entry), replayed, expirySeconds: leftOf(entry) };
    }
    return undefined;
  }

  function leftOf({ expiresMs }: Entry): number | undefined {
    return expiresMs === undefined ? undefined : Math.ceil((expiresMs - running()) / 1e3);
  }

  async function read(entry: Entry): Promise<Uint8Array | undefined> {
    const recent = bodies.take(entry);
    if (recent !== undefined) return recent;
    const key = outboxKeys.body(entry.class, entry.seq);
    try {
      const body = await store.get(key);
      if (body === undefined) options.onDamaged?.(key, new Error('it is not there'));
      return body;
    } catch (error) {
      options.onDamaged?.(key, error);
      return undefined;
    }
  }

  async function close(): Promise<void> {
    if (closed) return;
    closed = true;
    stopSweep();
    cancelWake?.();
    for (const name of OUTBOX_CLASSES) removals.note(name);
    await removals.write().catch(ignoreClosed);
  }

  return {
    put,
    lease,
    online() {
      epoch += 1;
      connection = 'online';
      options.onReady();
    },
    offline() {
      connection = 'offline';
      for (const index of Object.values(indexes)) index.recall('leave');
    },
    recall() {
      for (const index of Object.values(indexes)) index.recall('recall');
      options.onReady();
    },
    acknowledge({ entry }) {
      if (entry.state !== 'leased') return;
      indexes[entry.class].remove(entry);
      counts[entry.class].acked += 1;
      removals.note(entry.class, entry);
    },
    drop: ({ entry }, reason) => drop(entry, reason),
    holds: (name, topic) => indexes[name].holds(topic),
    stats: () => forEachClass((name) => statsOf(indexes[name], counts[name], running())),
    async flush() {
      await removals.write();
      await store.flush();
    },
    [Symbol.asyncDispose]: close,
  };
}

function recordOf(entry: Entry, body: Uint8Array): readonly Write[] {
  const { class: name, seq, lane, bytes, stampMs, ts, expiresMs } = entry;
  const header = encodeHeader({ topic: lane.topic, bytes, stampMs, ts, expiresMs });
  return [
    { kind: 'put', key: outboxKeys.header(name, seq), value: header, fresh: true },
    { kind: 'put', key: outboxKeys.body(name, seq), value: body, fresh: true },
  ];
}

function statsOf(index: ClassIndex, counts: Tally, now: number): ClassStats {
  const { backlog, live, leased, messages, bytes } = index;
  const [sent] = leased;
  const stamps = [backlog.first, live.first, sent].flatMap((entry) => entry?.stampMs ?? []);
  const oldestAgeSeconds = Math.round((now - Math.min(now, ...stamps)) / 1e3);
  return {
    emitted: counts.emitted,
    acked: counts.acked,
    dropped: { ...counts.dropped },
    queued: { messages, bytes, oldestAgeSeconds },
  };
}

function ignoreClosed(error: unknown): void {
  if (!(error instanceof LedgeError) || error.code !== 'closed') throw error;
}

function closedError(topic: string): LedgeError {
  return new LedgeError('closed', `Cannot keep a message on "${topic}": the outbox is closed`);
}
