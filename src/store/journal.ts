import { toLedgeError } from '../std/error.ts';
import { decodeRecord, encodeRecord, type JournalRecord } from './journal-record.ts';
import type { Store, Write } from './store.ts';

/** The area of the store that is the journal's; what of it does not parse goes to the other. */
const AREA = 'journal/';
const DAMAGED_AREA = 'damaged/journal/';
/** Digits of a number in a key: 36^10 entries are more than a node sees in its life. */
const DIGITS = 10;
/**
 * A removal waits this long for an event to be written with: late, it costs one replay after a crash;
 * alone, an fsync.
 */
const REMOVAL_MS = 100;
/** Topic, properties and places in maps, beside the payload of an event. */
const EVENT_BYTES = 512;

export interface JournalLimits {
  /** In all flows together; an event over them waits, and its publisher with it. */
  readonly eventsMax: number;
  readonly bytesMax: number;
  /** How long events gather before those that are not done yet are written; 0 writes at once. */
  readonly gatherMs: number;
  /** Told of an entry that was read but does not parse, once it is set aside. */
  readonly onDamaged?: (key: string, error: unknown) => void;
}

/** Where an event is in the journal. */
export interface Place {
  readonly flow: string;
  readonly number: number;
}

export interface JournalCount {
  readonly events: number;
  readonly bytes: number;
}

/** Events that were taken over from their publishers and are not done yet, by flow. */
export interface Journal {
  /**
   * Takes an event in. `onKept` is called once it is on disk, which no event needs that is removed
   * before; over the limits it waits for others to be removed.
   */
  append(flow: string, record: JournalRecord, onKept: () => void): Place;
  /** The event is done: what became of it has been handed over. Twice does no harm. */
  remove(place: Place): void;
  /** Whether the event still waits for room. */
  waits(place: Place): boolean;
  /** What the journal held of a flow when this was called, in the order of arrival. */
  replay(flow: string): AsyncIterable<readonly [Place, JournalRecord]>;
  count(flow: string): JournalCount;
  /** Flows with events, also of such as are not there any more. */
  flows(): readonly string[];
  /** Resolves when everything taken in and removed before is on disk. */
  flush(): Promise<void>;
}

/** One event between its arrival and its removal. */
interface Held extends Place {
  readonly bytes: number;
  /** `waiting` for room, `gathered` in memory, then in the store. */
  state: 'waiting' | 'gathered' | 'stored';
  /** Until it is encoded. */
  record: JournalRecord | undefined;
  readonly onKept: () => void;
}

interface FlowHeld {
  readonly held: Map<number, Held>;
  bytes: number;
}

/** Opens the journal in a store and counts what is in it from before. */
export async function openJournal(store: Store, limits: JournalLimits): Promise<Journal> {
  const flows = new Map<string, FlowHeld>();
  const waiting = new Set<Held>();
  let gathered: Held[] = [];
  let removed: Write[] = [];
  let events = 0;
  let bytes = 0;
  let last = 0;
  let timer: NodeJS.Timeout | undefined;
  let dueMs = Infinity;
  const writing = new Set<Promise<void>>();

  for await (const [key, value] of store.entries(AREA)) {
    const place = placeOf(key);
    if (place === undefined) continue;
    const one: Held = {
      ...place,
      bytes: value.byteLength + EVENT_BYTES,
      state: 'stored',
      record: undefined,
      onKept: nothing,
    };
    last = Math.max(last, place.number);
    enter(one);
  }

  function flowOf(name: string): FlowHeld {
    let flow = flows.get(name);
    if (flow === undefined) {
      flow = { held: new Map(), bytes: 0 };
      flows.set(name, flow);
    }
    return flow;
  }

  function enter(one: Held): void {
    const flow = flowOf(one.flow);
    flow.held.set(one.number, one);
    flow.bytes += one.bytes;
    events += 1;
    bytes += one.bytes;
  }

  function hasRoom(more: number): boolean {
    return events === 0 || (events < limits.eventsMax && bytes + more <= limits.bytesMax);
  }

  function gather(one: Held): void {
    one.state = 'gathered';
    gathered.push(one);
    schedule();
  }

  function schedule(): void {
    if (writing.size > 0 || (gathered.length === 0 && removed.length === 0)) return;
    const waitMs = gathered.length > 0 ? limits.gatherMs : REMOVAL_MS;
    const nextMs = performance.now() + waitMs;
    if (dueMs <= nextMs) return;
    clearTimeout(timer);
    dueMs = nextMs;
    timer = setTimeout(writeOut, waitMs);
  }

  /** Writes what is not done yet. What came and went meanwhile never takes the way to the disk. */
  function writeOut(): void {
    clearTimeout(timer);
    dueMs = Infinity;
    const stored = gathered.filter((one) => one.state === 'gathered');
    gathered = [];
    const writes = removed;
    removed = [];
    for (const one of stored) {
      const value = encodeRecord(one.record as JournalRecord);
      one.state = 'stored';
      one.record = undefined;
      writes.push({ kind: 'put', key: keyOf(one), value, fresh: true });
    }
    if (writes.length === 0) return;
    const written = write(writes, stored).finally(() => {
      writing.delete(written);
      schedule();
    });
    writing.add(written);
  }

  async function write(writes: readonly Write[], stored: readonly Held[]): Promise<void> {
    const written = store.write(writes);
    // The events have gathered long enough; the store need not wait for more.
    store.flush().catch(nothing);
    try {
      await written;
      for (const one of stored) one.onKept();
    } catch (error) {
      // Over the limit of what may wait for the disk: once more, later. A closed store keeps nothing.
      if (toLedgeError(error).retriable) takeBack(writes, stored);
    }
  }

  function takeBack(writes: readonly Write[], stored: readonly Held[]): void {
    const encoded = new Map(writes.map((write) => [write.key, write]));
    removed = [...writes.filter(({ kind }) => kind === 'delete'), ...removed];
    for (const one of stored) {
      const put = encoded.get(keyOf(one));
      if (put?.kind !== 'put' || !isHeld(one)) continue;
      one.record = decodeRecord(put.value);
      one.state = 'gathered';
      gathered.push(one);
    }
  }

  function isHeld({ flow, number }: Place): boolean {
    return flows.get(flow)?.held.has(number) ?? false;
  }

  function admit(): void {
    for (const one of waiting) {
      if (!hasRoom(one.bytes)) return;
      waiting.delete(one);
      enter(one);
      gather(one);
    }
  }

  function remove(place: Place): void {
    const one = place as Held;
    if (waiting.delete(one)) return;
    const flow = flows.get(place.flow);
    const held = flow?.held.get(place.number);
    if (flow === undefined || held === undefined) return;
    flow.held.delete(place.number);
    flow.bytes -= held.bytes;
    if (flow.held.size === 0) flows.delete(place.flow);
    events -= 1;
    bytes -= held.bytes;
    if (held.state === 'stored') {
      removed.push({ kind: 'delete', key: keyOf(held) });
      schedule();
    }
    held.state = 'stored';
    held.record = undefined;
    if (waiting.size > 0) admit();
  }

  async function* replay(name: string): AsyncGenerator<readonly [Place, JournalRecord]> {
    const until = last;
    // What is still gathered goes to the store, where the reading finds it.
    writeOut();
    const prefix = `${AREA}${name}/`;
    for await (const [key, value] of store.entries(prefix)) {
      const place = placeOf(key);
      const held = place === undefined ? undefined : flows.get(name)?.held.get(place.number);
      if (held === undefined) continue;
      if (held.number > until) return;
      const record = await read(key, value);
      if (record === undefined) remove(held);
      else yield [held, record];
    }
  }

  async function read(key: string, value: Uint8Array): Promise<JournalRecord | undefined> {
    try {
      return decodeRecord(value);
    } catch (error) {
      await store.write([{ kind: 'put', key: DAMAGED_AREA + key.slice(AREA.length), value }]);
      limits.onDamaged?.(key, error);
      return undefined;
    }
  }

  return {
    append(flow, record, onKept) {
      last += 1;
      const cost = record.payload.byteLength + EVENT_BYTES;
      const one: Held = { flow, number: last, bytes: cost, state: 'waiting', record, onKept };
      if (waiting.size > 0 || !hasRoom(cost)) waiting.add(one);
      else {
        enter(one);
        gather(one);
      }
      return one;
    },
    remove,
    waits: (place) => waiting.has(place as Held),
    replay,
    count(name) {
      const flow = flows.get(name);
      return { events: flow?.held.size ?? 0, bytes: flow?.bytes ?? 0 };
    },
    flows: () => [...flows.keys()],
    async flush() {
      writeOut();
      while (writing.size > 0) await Promise.all(writing);
    },
  };
}

function keyOf({ flow, number }: Place): string {
  return `${AREA}${flow}/${number.toString(36).padStart(DIGITS, '0')}`;
}

function placeOf(key: string): Place | undefined {
  const [, flow, digits] = key.split('/');
  const number = Number.parseInt(digits ?? '', 36);
  return flow === undefined || !Number.isSafeInteger(number) ? undefined : { flow, number };
}

function nothing(): void {}
