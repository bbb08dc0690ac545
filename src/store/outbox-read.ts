import { type ClassCounts, OUTBOX_CLASSES, type OutboxClass, type Tally } from './outbox-class.ts';
import { type ClassIndex, createClassIndex, type Entry } from './outbox-index.ts';
import {
  decodeCounts,
  decodeHeader,
  forEachClass,
  type OutboxHeader,
  outboxKeys,
} from './outbox-record.ts';
import type { Store } from './store.ts';

/** What an earlier run left. */
export interface ReadOutbox {
  readonly indexes: Readonly<Record<OutboxClass, ClassIndex>>;
  readonly counts: Readonly<Record<OutboxClass, Tally>>;
  /** Milliseconds that it had been open. */
  readonly ranMs: number;
}

type OnDamaged = ((key: string, error: unknown) => void) | undefined;

interface Source {
  readonly store: Store;
  readonly onDamaged: OnDamaged;
}

/** Reads the headers and counters of every class; messages that are missing are counted as damaged. */
export async function readOutbox(store: Store, onDamaged: OnDamaged): Promise<ReadOutbox> {
  const indexes = forEachClass(createClassIndex);
  const counts = forEachClass(emptyTally);
  let ranMs = 0;
  for (const name of OUTBOX_CLASSES) {
    const ran = await readClass(
      name,
      { store, onDamaged },
      { tally: counts[name], index: indexes[name] },
    );
    ranMs = Math.max(ranMs, ran);
  }
  return { indexes, counts, ranMs };
}

/** Fills in what an earlier run left of a class; gives how long that had run. */
async function readClass(
  name: OutboxClass,
  { store, onDamaged }: Source,
  { tally, index }: { readonly tally: Tally; readonly index: ClassIndex },
): Promise<number> {
  let ranMs = 0;
  const kept = decodeCounts(await store.get(outboxKeys.counts(name)));
  if (kept !== undefined) {
    const { runningMs, ...rest } = kept;
    Object.assign(tally, rest);
    ranMs = runningMs;
  }
  for await (const [key, value] of store.entries(outboxKeys.headers(name))) {
    const seq = outboxKeys.seqOf(name, key);
    if (seq === undefined) continue;
    // What came after the counters were kept last: each number stands for one message.
    tally.emitted += Math.max(0, seq - tally.lastSeq);
    tally.lastSeq = Math.max(tally.lastSeq, seq);
    try {
      const header = decodeHeader(value);
      ranMs = Math.max(ranMs, header.stampMs);
      index.add(
        entryOf(header, { class: name, seq, epoch: 0, state: 'waiting' }, index),
        'offline',
      );
    } catch (error) {
      onDamaged?.(key, error);
      await store.write([
        { kind: 'delete', key },
        { kind: 'delete', key: outboxKeys.body(name, seq) },
      ]);
    }
  }
  const missing = tally.emitted - tally.acked - sumOf(tally.dropped) - index.messages;
  if (missing > 0) {
    // The store sets aside what it cannot read; here it is counted, so that nothing goes in silence.
    tally.dropped.damaged = (tally.dropped.damaged ?? 0) + missing;
    onDamaged?.(outboxKeys.headers(name), new Error(`${missing} messages are not there`));
  }
  return ranMs;
}

function sumOf(dropped: ClassCounts['dropped']): number {
  return Object.values(dropped).reduce((sum, count) => sum + count, 0);
}

function emptyTally(): Tally {
  return { emitted: 0, acked: 0, dropped: {}, lastSeq: 0, unwritten: 0 };
}

/** A message for the index, in no line yet. */
export function entryOf(
  header: OutboxHeader,
  place: Pick<Entry, 'class' | 'seq' | 'epoch' | 'state'>,
  index: ClassIndex,
): Entry {
  const { topic, bytes, stampMs, ts, expiresMs } = header;
  const lane = index.lane(topic);
  const unlinked = { line: undefined, before: undefined, after: undefined };
  return { ...place, lane, bytes, stampMs, ts, expiresMs, ...unlinked };
}
