import { ENTRY_BYTES } from './session-limits.ts';
import type { StoredPacket } from './stored-packet.ts';

/** One message of a session that its client has not acknowledged to the end. */
export interface Entry {
  /** Counts up; the order of the session. */
  readonly seq: number;
  /** The packet identifier it has for its whole life. */
  readonly id: number;
  readonly qos: 1 | 2;
  /** Milliseconds since 1970. */
  readonly expiresAt: number | undefined;
  /** `released`: the client has the message of QoS 2, and was or will be sent PUBREL. */
  kind: 'message' | 'released';
  /** Undefined while only the disk has it. */
  packet: StoredPacket | undefined;
  bytes: number;
  /** On disk, or meant for memory only. */
  durable: boolean;
  /** Written to the connection that is open now. */
  sent: boolean;
  /** Written to some connection before, as far as is known. */
  tried: boolean;
  gone: boolean;
  previous: Entry | undefined;
  next: Entry | undefined;
}

/** What a new message is made of. */
export type NewEntry = Pick<Entry, 'qos' | 'expiresAt' | 'durable'> & {
  readonly packet: StoredPacket;
  readonly bytes: number;
};

/** An entry as it was read from disk. */
export type OldEntry = Pick<Entry, 'seq' | 'id' | 'qos' | 'expiresAt' | 'kind' | 'bytes' | 'tried'>;

/** The messages of one session in their order, found by packet identifier, counted and weighed. */
export interface EntryQueue {
  readonly first: Entry | undefined;
  readonly last: Entry | undefined;
  readonly messages: number;
  readonly bytes: number;
  /** Of them in memory, with their payloads. */
  readonly memoryBytes: number;
  append(entry: NewEntry): Entry;
  restore(entry: OldEntry): Entry;
  find(id: number): Entry | undefined;
  remove(entry: Entry): void;
  /** Turns a message that its client has into the mere need of a PUBREL. */
  release(entry: Entry): void;
  /** Forgets a payload that is on disk. */
  evict(entry: Entry): void;
  /** Takes a payload that was read back. */
  fill(entry: Entry, packet: StoredPacket): void;
}

const ID_MAX = 65_535;

/** Creates an empty queue; `seq` is the number of its first entry. */
export function createEntryQueue(seq: number): EntryQueue {
  const byId = new Map<number, Entry>();
  let first: Entry | undefined;
  let last: Entry | undefined;
  let nextSeq = seq;
  let lastId = 0;
  let bytes = 0;
  let memoryBytes = 0;

  /** [MQTT-2.2.1-4] Fewer entries than identifiers are ever kept. */
  function freeId(): number {
    do lastId = lastId === ID_MAX ? 1 : lastId + 1;
    while (byId.has(lastId));
    return lastId;
  }

  function link(entry: Entry): Entry {
    entry.previous = last;
    if (last === undefined) first = entry;
    else last.next = entry;
    last = entry;
    nextSeq = Math.max(nextSeq, entry.seq + 1);
    byId.set(entry.id, entry);
    bytes += entry.bytes;
    memoryBytes += inMemory(entry);
    return entry;
  }

  return {
    get first() {
      return first;
    },
    get last() {
      return last;
    },
    get messages() {
      return byId.size;
    },
    get bytes() {
      return bytes;
    },
    get memoryBytes() {
      return memoryBytes;
    },
    append({ qos, expiresAt, durable, packet, bytes: size }) {
      return link({
        seq: nextSeq,
        id: freeId(),
        qos,
        expiresAt,
        kind: 'message',
        packet,
        bytes: size,
        durable,
        sent: false,
        tried: false,
        gone: false,
        previous: undefined,
        next: undefined,
      });
    },
    restore(entry) {
      lastId = entry.id;
      const state = { packet: undefined, durable: true, sent: false, gone: false };
      return link({ ...entry, ...state, previous: undefined, next: undefined });
    },
    find: (id) => byId.get(id),
    remove(entry) {
      if (entry.gone) return;
      entry.gone = true;
      if (entry.previous === undefined) first = entry.next;
      else entry.previous.next = entry.next;
      if (entry.next === undefined) last = entry.previous;
      else entry.next.previous = entry.previous;
      byId.delete(entry.id);
      bytes -= entry.bytes;
      memoryBytes -= inMemory(entry);
    },
    release(entry) {
      if (entry.gone || entry.kind === 'released') return;
      memoryBytes -= inMemory(entry);
      bytes += ENTRY_BYTES - entry.bytes;
      entry.kind = 'released';
      entry.bytes = ENTRY_BYTES;
      entry.packet = undefined;
    },
    evict(entry) {
      if (entry.gone) return;
      memoryBytes -= inMemory(entry);
      entry.packet = undefined;
    },
    fill(entry, packet) {
      if (entry.gone || entry.kind === 'released' || entry.packet !== undefined) return;
      entry.packet = packet;
      memoryBytes += inMemory(entry);
    },
  };
}

function inMemory(entry: Entry): number {
  return entry.packet === undefined ? 0 : entry.bytes;
}
