import type { Write } from '../../store/store.ts';
import type { Entry } from './entry-queue.ts';
import type { DropReason, Pump } from './pump.ts';
import type { Session } from './session.ts';
import { KEYS, type SessionDisk } from './session-disk.ts';
import type { SessionLimits, Tell } from './session-limits.ts';
import { encodeRecord } from './session-record.ts';

/** All entries of all sessions: their bytes, and every way by which one leaves. */
export interface SessionStock {
  readonly dropped: Readonly<Record<DropReason, number>>;
  readonly bytes: number;
  /** Counts an entry that was added to its session, or read from disk. */
  add(entry: Entry): void;
  /** Takes an entry out of memory; the disk is the caller's part. */
  takeOut(session: Session, entry: Entry): void;
  /** The client has a message of QoS 2, and is owed a PUBREL; resolves when that may go. */
  release(session: Session, entry: Entry): Promise<void>;
  /** The client has it for good. */
  acknowledge(session: Session, entry: Entry): void;
  drop(session: Session, entry: Entry, reason: DropReason): void;
  /** The connection is gone: what is on disk need not stay in memory. */
  evictAll(session: Session): void;
  /** An ended session's messages go with it; the disk is the caller's part. */
  forget(session: Session, reason: DropReason): void;
  /**
   * Makes room for so many bytes more, with what that changes on disk; false: there is none, and the
   * message is dropped.
   */
  makeRoom(session: Session, size: number, writes: Write[]): boolean;
}

interface StockOptions {
  readonly disk: SessionDisk;
  readonly limits: SessionLimits;
  readonly pump: () => Pump;
  readonly end: (session: Session) => void;
  readonly tell: Tell;
}

/** Creates the stock of one broker. */
export function createSessionStock({ disk, limits, pump, end, tell }: StockOptions): SessionStock {
  const dropped: Record<DropReason, number> = {
    overflow: 0,
    expired: 0,
    'too-large': 0,
    refused: 0,
    damaged: 0,
    ended: 0,
  };
  let bytes = 0;

  function takeOut(session: Session, entry: Entry): void {
    if (entry.gone) return;
    pump().passed(session, entry);
    session.queue.remove(entry);
    bytes -= entry.bytes;
  }

  function fits({ queue }: Session, size: number): boolean {
    return (
      queue.messages < limits.queueMessagesMax &&
      queue.bytes + size <= limits.queueBytesMax &&
      bytes + size <= limits.bytesMax
    );
  }

  function makeRoom(session: Session, size: number, writes: Write[]): boolean {
    if (fits(session, size)) {
      if (session.queue.messages === 0) session.toldFull = false;
      return true;
    }
    tellFull(session);
    // A session that ends with its connection cannot tell of a loss in any other way.
    if (limits.overflow === 'disconnect-session' || session.expirySeconds === 0) {
      session.client?.conn.destroy();
      end(session);
    } else if (limits.overflow === 'drop-oldest' && size <= limits.queueBytesMax) {
      dropOldest(session, size, writes);
      if (fits(session, size)) return true;
    }
    dropped.overflow += 1;
    return false;
  }

  function dropOldest(session: Session, size: number, writes: Write[]): void {
    for (let entry = session.queue.first; entry !== undefined; entry = entry.next) {
      if (fits(session, size)) return;
      if (entry.kind === 'released') continue;
      takeOut(session, entry);
      dropped.overflow += 1;
      if (session.lasting) writes.push(deletion(session, entry));
    }
  }

  function tellFull(session: Session): void {
    if (session.toldFull) return;
    session.toldFull = true;
    const { messages, bytes: size } = session.queue;
    const what = `${messages} messages with ${size} bytes wait`;
    tell('overflow', `Dropped messages for client "${session.id}": its session is full, ${what}`);
  }

  async function release(session: Session, entry: Entry): Promise<void> {
    const before = entry.bytes;
    session.queue.release(entry);
    bytes += entry.bytes - before;
    if (!session.lasting || session.ended) return;
    const value = encodeRecord({ kind: 'released', id: entry.id });
    await disk.insist([{ kind: 'put', key: KEYS.entry(session.key, entry.seq), value }]);
  }

  return {
    dropped,
    get bytes() {
      return bytes;
    },
    add(entry) {
      bytes += entry.bytes;
    },
    takeOut,
    release,
    acknowledge(session, entry) {
      takeOut(session, entry);
      if (session.lasting) void disk.insist([deletion(session, entry)]);
    },
    drop(session, entry, reason) {
      if (entry.gone) return;
      takeOut(session, entry);
      dropped[reason] += 1;
      if (session.lasting) void disk.insist([deletion(session, entry)]);
    },
    evictAll({ queue, lasting }) {
      for (let entry = lasting ? queue.first : undefined; entry !== undefined; entry = entry.next) {
        if (entry.durable) queue.evict(entry);
      }
    },
    forget(session, reason) {
      for (let entry = session.queue.first; entry !== undefined; entry = entry.next) {
        if (entry.kind === 'message') dropped[reason] += 1;
        takeOut(session, entry);
      }
    },
    makeRoom,
  };
}

function deletion(session: Session, entry: Entry): Write {
  return { kind: 'delete', key: KEYS.entry(session.key, entry.seq) };
}
