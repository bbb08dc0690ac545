import type { Entry } from './entry-queue.ts';
import { sendEntry } from './entry-wire.ts';
import type { Session, SessionClient } from './session.ts';
import { IN_FLIGHT_MAX, READ_BACK_MAX, SESSION_MEMORY_BYTES_MAX } from './session-limits.ts';
import type { StoredPacket } from './stored-packet.ts';

/** Why a message left a session without being acknowledged. */
export type DropReason = 'overflow' | 'expired' | 'too-large' | 'refused' | 'damaged' | 'ended';

/** What the pump needs of the sessions. */
export interface PumpOptions {
  readonly now: () => number;
  /** Whether the client may read the topic, now. */
  readonly mayReceive: (client: SessionClient, topic: string) => boolean;
  readonly drop: (session: Session, entry: Entry, reason: DropReason) => void;
  /** Reads a payload from disk; undefined: what is there is damaged. Fails while the disk does. */
  readonly readBack: (session: Session, entry: Entry) => Promise<StoredPacket | undefined>;
}

/** Sends each session's entries in order, as fast as its client takes them. */
export interface Pump {
  /** A connection has its CONNACK: everything goes out again, from the first entry on. */
  begin(session: Session): void;
  /** There may be something to send. */
  wake(session: Session): void;
  /** An entry is about to leave its session. */
  passed(session: Session, entry: Entry): void;
  /** The connection is gone; what was sent will be sent again. */
  halt(session: Session): void;
}

/** Creates the pump of one broker: all sessions that have something to send share a turn. */
export function createPump(options: PumpOptions): Pump {
  let waiting: Session[] = [];

  function wake(session: Session): void {
    if (session.awake || session.held || !session.live) return;
    session.awake = true;
    waiting.push(session);
    if (waiting.length === 1) setImmediate(runAll);
  }

  function runAll(): void {
    const sessions = waiting;
    waiting = [];
    for (const session of sessions) {
      session.awake = false;
      run(session);
    }
  }

  function run(session: Session): void {
    const { client } = session;
    if (client === undefined || !session.live || session.held || client.conn.destroyed) return;
    const { conn } = client;
    conn.cork();
    while (session.cursor !== undefined && session.inFlight < windowOf(client)) {
      if (conn.writableNeedDrain) {
        session.held = true;
        conn.once('drain', () => goOn(session, client));
        break;
      }
      if (!sendNext(session, client, session.cursor)) break;
    }
    conn.uncork();
  }

  /** Whether the next one can follow at once. */
  function sendNext(session: Session, client: SessionClient, entry: Entry): boolean {
    if (entry.kind === 'message') {
      // [MQTT-3.3.2-5]
      if (!entry.tried && entry.expiresAt !== undefined && entry.expiresAt <= options.now()) {
        options.drop(session, entry, 'expired');
        return true;
      }
      // Sent before it is on disk, it might come a second time under another identifier.
      if (entry.qos === 2 && !entry.durable) return false;
      if (entry.packet === undefined) {
        readBack(session, client, entry);
        return false;
      }
      if (!options.mayReceive(client, entry.packet.topic)) {
        options.drop(session, entry, 'refused');
        return true;
      }
    }
    if (sendEntry(client, entry, options.now()) === 'too-large') {
      options.drop(session, entry, 'too-large');
      return true;
    }
    entry.sent = true;
    session.inFlight += 1;
    session.triedThrough = Math.max(session.triedThrough, entry.seq);
    session.cursor = entry.next;
    return true;
  }

  function goOn(session: Session, client: SessionClient): void {
    if (session.client !== client || !session.live) return;
    session.held = false;
    wake(session);
  }

  /** Reads the next payloads into memory, then goes on. */
  function readBack(session: Session, client: SessionClient, from: Entry): void {
    session.held = true;
    const entries: Entry[] = [];
    let bytes = 0;
    for (let entry: Entry | undefined = from; entry !== undefined; entry = entry.next) {
      if (entries.length >= READ_BACK_MAX || bytes > SESSION_MEMORY_BYTES_MAX) break;
      if (entry.kind !== 'message' || entry.packet !== undefined) continue;
      entries.push(entry);
      bytes += entry.bytes;
    }
    const read = entries.map(async (entry) => {
      const packet = await options.readBack(session, entry);
      if (packet !== undefined) session.queue.fill(entry, packet);
      else if (entry.kind === 'message') options.drop(session, entry, 'damaged');
    });
    // Where the disk fails, the session waits for its next connection.
    Promise.all(read).then(() => goOn(session, client), nothing);
  }

  return {
    begin(session) {
      session.live = true;
      session.held = false;
      session.inFlight = 0;
      session.cursor = session.queue.first;
      wake(session);
    },
    wake,
    passed(session, entry) {
      if (session.cursor === entry) session.cursor = entry.next;
      if (entry.sent) session.inFlight -= 1;
      entry.sent = false;
      if (session.cursor !== undefined) wake(session);
    },
    halt(session) {
      session.live = false;
      session.held = false;
      session.cursor = undefined;
      session.inFlight = 0;
      for (let entry = session.queue.first; entry !== undefined; entry = entry.next) {
        if (entry.sent) entry.tried = true;
        entry.sent = false;
      }
    },
  };
}

function windowOf(client: SessionClient): number {
  return Math.min(client.receiveMaximum ?? IN_FLIGHT_MAX, IN_FLIGHT_MAX);
}

function nothing(): void {}
