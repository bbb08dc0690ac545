import type { DropReason, FlowEvent } from './event.ts';

export type Keep = 'all' | 'latest' | 'drop-oldest';

/** What a full queue does, and when it is full. */
export interface QueueLimits {
  readonly keep: Keep;
  readonly eventsMax: number;
  readonly bytesMax: number;
}

/**
 * Events held back outside a full `keep: all` queue, each by a publisher that waits for its place.
 * More than this many publishers at once get `overflow`.
 */
const WAITING_MAX = 4096;

/** An event in the queue, and whom to tell when it has its place. */
export interface Entry {
  readonly event: FlowEvent;
  /** Called once, when the event is in the queue or has been dropped. */
  accepted(): void;
  /** Called once, when the work on it begins. */
  begun?(): void;
}

export interface EventQueue<E extends Entry> {
  offer(entry: E): void;
  /** Events in order; ends when the signal aborts, leaving the rest in the queue. */
  take(signal: AbortSignal): AsyncIterable<E>;
  /** Resolves when nothing waits. */
  drained(): Promise<void>;
  /** Takes everything out that waits, for a shutdown that must account for it. */
  clear(): E[];
  readonly length: number;
  readonly bytes: number;
  /** The event that is taken next. */
  readonly first: FlowEvent | undefined;
}

/** A bounded queue of events; whatever it gives up goes to `drop`, never silently. */
export function createEventQueue<E extends Entry>(
  limits: QueueLimits,
  drop: (entry: E, reason: DropReason) => void,
): EventQueue<E> {
  const queued = createFifo<E>();
  const waiting = createFifo<E>();
  const latest = new Map<string, E>();
  let wake: (() => void) | undefined;
  const empty: (() => void)[] = [];

  const hasRoom = (event: FlowEvent) =>
    queued.length === 0 ||
    (queued.length < limits.eventsMax &&
      queued.bytes + event.payload.byteLength <= limits.bytesMax);

  function enter(entry: E): void {
    queued.push(entry);
    entry.accepted();
    wake?.();
  }

  function give(entry: E, reason: DropReason): void {
    entry.accepted();
    drop(entry, reason);
  }

  function offer(entry: E): void {
    if (limits.keep === 'latest') {
      const older = latest.get(entry.event.device);
      latest.set(entry.event.device, entry);
      if (older !== undefined && queued.remove(older)) drop(older, 'superseded');
    }
    if (waiting.length === 0 && hasRoom(entry.event)) return enter(entry);
    if (limits.keep === 'all') {
      if (waiting.length < WAITING_MAX) return waiting.push(entry);
      return give(entry, 'overflow');
    }
    while (!hasRoom(entry.event)) {
      const oldest = queued.shift();
      if (oldest !== undefined) drop(oldest, 'overflow');
    }
    enter(entry);
  }

  function next(): E | undefined {
    const entry = queued.shift();
    if (entry === undefined) {
      for (const resolve of empty.splice(0)) resolve();
      return undefined;
    }
    if (latest.get(entry.event.device) === entry) latest.delete(entry.event.device);
    for (
      let held = waiting.peek();
      held !== undefined && hasRoom(held.event);
      held = waiting.peek()
    ) {
      waiting.shift();
      enter(held);
    }
    return entry;
  }

  async function* take(signal: AbortSignal): AsyncGenerator<E> {
    const abort = () => wake?.();
    signal.addEventListener('abort', abort);
    try {
      while (!signal.aborted) {
        const entry = next();
        if (entry !== undefined) yield entry;
        else {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
          wake = undefined;
        }
      }
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  return {
    offer,
    take,
    drained() {
      if (queued.length === 0) return Promise.resolve();
      return new Promise((resolve) => empty.push(resolve));
    },
    clear: () => [...queued.drain(), ...waiting.drain()],
    get length() {
      return queued.length + waiting.length;
    },
    get bytes() {
      return queued.bytes + waiting.bytes;
    },
    get first() {
      return queued.peek()?.event;
    },
  };
}

/** First in, first out, with a byte count; removal from the middle leaves a hole that is skipped. */
function createFifo<E extends Entry>() {
  let entries: (E | undefined)[] = [];
  const places = new Map<E, number>();
  let head = 0;
  let base = 0;
  let bytes = 0;

  function peek(): E | undefined {
    while (head < entries.length && entries[head] === undefined) head += 1;
    return entries[head];
  }

  function remove(entry: E): boolean {
    const place = places.get(entry);
    if (place === undefined) return false;
    places.delete(entry);
    entries[place - base] = undefined;
    bytes -= entry.event.payload.byteLength;
    return true;
  }

  function shift(): E | undefined {
    const entry = peek();
    if (entry === undefined) return undefined;
    remove(entry);
    head += 1;
    if (head > 1024 && head * 2 > entries.length) {
      entries = entries.slice(head);
      base += head;
      head = 0;
    }
    return entry;
  }

  return {
    peek,
    remove,
    shift,
    push(entry: E): void {
      places.set(entry, base + entries.length);
      entries.push(entry);
      bytes += entry.event.payload.byteLength;
    },
    drain(): E[] {
      const all: E[] = [];
      for (let entry = shift(); entry !== undefined; entry = shift()) all.push(entry);
      return all;
    },
    get length() {
      return places.size;
    },
    get bytes() {
      return bytes;
    },
  };
}
