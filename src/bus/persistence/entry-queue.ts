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
  return new LinkedQueue(seq);
}

/** A doubly linked list: entries leave from anywhere, and each knows who follows it even then. */
class LinkedQueue implements EntryQueue {
  first: Entry | undefined;
  last: Entry | undefined;
  bytes = 0;
  memoryBytes = 0;
  readonly #byId = new Map<number, Entry>();
  #nextSeq: number;
  #lastId = 0;

  constructor(seq: number) {
    this.#nextSeq = seq;
  }

  get messages(): number {
    return this.#byId.size;
  }

  append({ qos, expiresAt, durable, packet, bytes }: NewEntry): Entry {
    // One literal: every message takes this way, and spreading costs more than all the rest of it.
    return this.#link({
      seq: this.#nextSeq,
      id: this.#freeId(),
      qos,
      expiresAt,
      kind: 'message',
      packet,
      bytes,
      durable,
      sent: false,
      tried: false,
      gone: false,
      previous: undefined,
      next: undefined,
    });
  }

  restore(entry: OldEntry): Entry {
    this.#lastId = entry.id;
    return this.#link({
      ...entry,
      ...{ packet: undefined, durable: true, sent: false, gone: false },
      ...{ previous: undefined, next: undefined },
    });
  }

  find(id: number): Entry | undefined {
    return this.#byId.get(id);
  }

  remove(entry: Entry): void {
    if (entry.gone) return;
    entry.gone = true;
    if (entry.previous === undefined) this.first = entry.next;
    else entry.previous.next = entry.next;
    if (entry.next === undefined) this.last = entry.previous;
    else entry.next.previous = entry.previous;
    this.#byId.delete(entry.id);
    this.bytes -= entry.bytes;
    this.memoryBytes -= inMemory(entry);
  }

  release(entry: Entry): void {
    if (entry.gone || entry.kind === 'released') return;
    this.memoryBytes -= inMemory(entry);
    this.bytes += ENTRY_BYTES - entry.bytes;
    entry.kind = 'released';
    entry.bytes = ENTRY_BYTES;
    entry.packet = undefined;
  }

  evict(entry: Entry): void {
    if (entry.gone) return;
    this.memoryBytes -= inMemory(entry);
    entry.packet = undefined;
  }

  fill(entry: Entry, packet: StoredPacket): void {
    if (entry.gone || entry.kind === 'released' || entry.packet !== undefined) return;
    entry.packet = packet;
    this.memoryBytes += inMemory(entry);
  }

  #link(entry: Entry): Entry {
    entry.previous = this.last;
    if (this.last === undefined) this.first = entry;
    else this.last.next = entry;
    this.last = entry;
    this.#nextSeq = Math.max(this.#nextSeq, entry.seq + 1);
    this.#byId.set(entry.id, entry);
    this.bytes += entry.bytes;
    this.memoryBytes += inMemory(entry);
    return entry;
  }

  /** [MQTT-2.2.1-4] Fewer entries than identifiers are ever kept. */
  #freeId(): number {
    do this.#lastId = this.#lastId === ID_MAX ? 1 : this.#lastId + 1;
    while (this.#byId.has(this.#lastId));
    return this.#lastId;
  }
}

function inMemory(entry: Entry): number {
  return entry.packet === undefined ? 0 : entry.bytes;
}
