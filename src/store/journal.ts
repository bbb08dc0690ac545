import { LedgeError, toLedgeError } from '../std/error.ts';
import { encodeDone, isDone } from './journal-done.ts';
import { decodeRecord, encodeRecords, type JournalRecord, splitRecords } from './journal-record.ts';
import type { Store, Write } from './store.ts';

/** The areas of the store that are the journal's: segments of events, which of them are done already. */
const AREA = 'journal/';
const DONE_AREA = 'journal-done/';
/** Where what does not parse is kept. */
const DAMAGED_AREA = 'damaged/journal/';
/** Digits of a number in a key: 36^10 segments are more than a node writes in its life. */
const DIGITS = 10;
/** What a segment gathers at most: what one damaged place on disk can cost. */
const SEGMENT_BYTES_MAX = 256 * 1024;
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

/** An event in the journal. */
export interface Place {
  readonly flow: string;
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
  /**
   * Calls at once, or, while the disk takes no writes, once it does again: publishers are held back
   * then also where what they sent is done already.
   */
  whenWritable(call: () => void): void;
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
  /** `waiting` for room, `gathered` in memory, `stored` in a segment, `gone` again. */
  state: 'waiting' | 'gathered' | 'stored' | 'gone';
  /** Until it is on disk. */
  record: JournalRecord | undefined;
  readonly onKept: () => void;
  segment: Segment | undefined;
}

interface Segment {
  readonly flow: string;
  readonly number: number;
  /** By place in the segment. */
  readonly held: readonly Held[];
  left: number;
  /** Whether marks of what is done may be on disk. */
  marked: boolean;
}

interface FlowHeld {
  events: number;
  bytes: number;
  /** By number, in order. */
  readonly segments: Map<number, Segment>;
}

/** Opens the journal in a store and counts what is in it from before. */
export async function openJournal(store: Store, limits: JournalLimits): Promise<Journal> {
  const flows = new Map<string, FlowHeld>();
  const waiting = new Set<Held>();
  /** Segments some of whose events were removed since the last writing. */
  const changed = new Set<Segment>();
  const writing = new Set<Promise<void>>();
  let gathered: Held[] = [];
  let events = 0;
  let bytes = 0;
  let last = 0;
  let timer: NodeJS.Timeout | undefined;
  let dueMs = Infinity;

  function flowOf(name: string): FlowHeld {
    let flow = flows.get(name);
    if (flow === undefined) {
      flow = { events: 0, bytes: 0, segments: new Map() };
      flows.set(name, flow);
    }
    return flow;
  }

  function enter(one: Held): void {
    const flow = flowOf(one.flow);
    flow.events += 1;
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
    if (writing.size > 0 || (gathered.length === 0 && changed.size === 0)) return;
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
    const writes = [...changed].flatMap(changeOf);
    changed.clear();
    const stored = gathered.filter(({ state }) => state === 'gathered');
    gathered = [];
    for (const held of inSegments(stored)) {
      last += 1;
      const flow = (held[0] as Held).flow;
      const segment: Segment = { flow, number: last, held, left: held.length, marked: false };
      const value = encodeRecords(held.map(({ record }) => record as JournalRecord));
      for (const one of held) {
        one.state = 'stored';
        one.segment = segment;
      }
      flowOf(flow).segments.set(last, segment);
      writes.push({ kind: 'put', key: keyOf(AREA, segment), value, fresh: true });
    }
    if (writes.length === 0) return;
    const written = write(writes, stored).finally(() => {
      writing.delete(written);
      schedule();
    });
    writing.add(written);
  }

  function changeOf(segment: Segment): Write[] {
    const mark = keyOf(DONE_AREA, segment);
    if (segment.left > 0) {
      segment.marked = true;
      const done = segment.held.map(({ state }) => state === 'gone');
      return [{ kind: 'put', key: mark, value: encodeDone(done) }];
    }
    flows.get(segment.flow)?.segments.delete(segment.number);
    forgetEmpty(segment.flow);
    const gone: Write = { kind: 'delete', key: keyOf(AREA, segment) };
    return segment.marked ? [gone, { kind: 'delete', key: mark }] : [gone];
  }

  async function write(writes: readonly Write[], stored: readonly Held[]): Promise<void> {
    for (;;) {
      const written = store.write(writes);
      // The events have gathered long enough; the store need not wait for more.
      store.flush().catch(nothing);
      try {
        await written;
        break;
      } catch (error) {
        // Over the limit of what may wait for the disk: once more, later. A closed store keeps nothing.
        if (!toLedgeError(error).retriable) return;
        await new Promise((resolve) => setTimeout(resolve, REMOVAL_MS));
      }
    }
    for (const one of stored) {
      one.record = undefined;
      one.onKept();
    }
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
    const { state } = one;
    if (state === 'gone') return;
    one.state = 'gone';
    if (waiting.delete(one)) return;
    const flow = flowOf(one.flow);
    flow.events -= 1;
    flow.bytes -= one.bytes;
    events -= 1;
    bytes -= one.bytes;
    if (one.segment !== undefined) {
      one.segment.left -= 1;
      changed.add(one.segment);
      schedule();
    }
    forgetEmpty(one.flow);
    if (waiting.size > 0) admit();
  }

  function forgetEmpty(name: string): void {
    const flow = flows.get(name);
    if (flow?.events === 0 && flow.segments.size === 0) flows.delete(name);
  }

  async function* replay(name: string): AsyncGenerator<readonly [Place, JournalRecord]> {
    // What is still gathered goes to the store, where the reading finds it.
    writeOut();
    const until = last;
    for (const segment of [...(flows.get(name)?.segments.values() ?? [])]) {
      if (segment.number > until) return;
      if (segment.left === 0) continue;
      const key = keyOf(AREA, segment);
      const value = await store.get(key);
      const records = value === undefined ? undefined : recordsOf(value);
      for (const [at, held] of segment.held.entries()) {
        if (held.state === 'gone') continue;
        const record = await read(`${key}/${at}`, records?.[at]);
        if (record === undefined) remove(held);
        else yield [held, record];
      }
    }
  }

  /** A record, or undefined where it does not parse: it is then set aside and told. */
  async function read(
    key: string,
    value: Uint8Array | undefined,
  ): Promise<JournalRecord | undefined> {
    try {
      if (value !== undefined) return decodeRecord(value);
      // The store has set the segment aside, and told.
      limits.onDamaged?.(key, new LedgeError('not-found', `Cannot read ${key}: it is gone`));
    } catch (error) {
      const aside = DAMAGED_AREA + key.slice(AREA.length);
      await store.write([{ kind: 'put', key: aside, value: value as Uint8Array }]);
      limits.onDamaged?.(key, error);
    }
    return undefined;
  }

  /** Takes up a segment of an earlier life. */
  function takeUp(key: string, value: Uint8Array, done: Uint8Array | undefined): void {
    const [, flow, digits] = key.split('/');
    const number = Number.parseInt(digits ?? '', 36);
    const records = recordsOf(value);
    if (flow === undefined || !Number.isSafeInteger(number)) return;
    const held = records.map(
      (record, at): Held => ({
        flow,
        bytes: record.byteLength + EVENT_BYTES,
        state: isDone(done, at) ? 'gone' : 'stored',
        record: undefined,
        onKept: nothing,
        segment: undefined,
      }),
    );
    const live = held.filter(({ state }) => state === 'stored');
    const segment: Segment = { flow, number, held, left: live.length, marked: done !== undefined };
    last = Math.max(last, number);
    flowOf(flow).segments.set(number, segment);
    for (const one of live) {
      one.segment = segment;
      enter(one);
    }
  }

  const done = new Map<string, Uint8Array>();
  for await (const [key, value] of store.entries(DONE_AREA)) {
    done.set(AREA + key.slice(DONE_AREA.length), value);
  }
  for await (const [key, value] of store.entries(AREA)) takeUp(key, value, done.get(key));

  return {
    append(flow, record, onKept) {
      const cost = record.payload.byteLength + EVENT_BYTES;
      const start = { flow, bytes: cost, record, onKept, segment: undefined };
      const one: Held = { ...start, state: 'waiting' };
      if (waiting.size > 0 || !hasRoom(cost)) waiting.add(one);
      else {
        enter(one);
        gather(one);
      }
      return one;
    },
    remove,
    whenWritable: createGate(store),
    waits: (place) => (place as Held).state === 'waiting',
    replay,
    count(name) {
      const flow = flows.get(name);
      return { events: flow?.events ?? 0, bytes: flow?.bytes ?? 0 };
    },
    flows: () => [...flows].flatMap(([name, flow]) => (flow.events > 0 ? name : [])),
    async flush() {
      writeOut();
      while (writing.size > 0) await Promise.all(writing);
    },
  };
}

/** Makes calls at once, or as soon as the store takes writes again. */
function createGate(store: Store): (call: () => void) => void {
  let heldBack: (() => void)[] = [];
  store.onState((state) => {
    if (state !== 'open') return;
    const calls = heldBack;
    heldBack = [];
    for (const call of calls) call();
  });
  return (call) => {
    if (store.state === 'open') call();
    else heldBack.push(call);
  };
}

/** Events of one flow each, in order, as many as a segment may have. */
function inSegments(events: readonly Held[]): Iterable<Held[]> {
  const segments: Held[][] = [];
  const open = new Map<string, { readonly held: Held[]; bytes: number }>();
  for (const one of events) {
    let segment = open.get(one.flow);
    if (segment === undefined || segment.bytes + one.bytes > SEGMENT_BYTES_MAX) {
      segment = { held: [], bytes: 0 };
      open.set(one.flow, segment);
      segments.push(segment.held);
    }
    segment.held.push(one);
    segment.bytes += one.bytes;
  }
  return segments;
}

/** What cannot be divided counts as one event, which its replay will set aside. */
function recordsOf(value: Uint8Array): readonly Uint8Array[] {
  return splitRecords(value) ?? [value];
}

function keyOf(area: string, { flow, number }: Pick<Segment, 'flow' | 'number'>): string {
  return `${area}${flow}/${number.toString(36).padStart(DIGITS, '0')}`;
}

function nothing(): void {}
