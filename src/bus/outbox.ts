import { LedgeError } from '../std/error.ts';
import type { Message } from './bus.ts';

/** Bounds of what waits to be sent to a broker, in flight included. */
export interface OutboxOptions {
  readonly messagesMax: number;
  readonly bytesMax: number;
  /** Writes one message; calls back once it is handed over, or with what prevented that. */
  readonly send: (message: Message, done: (error?: LedgeError) => void) => void;
}

/** Messages on their way to a broker, in order, kept while it is away. */
export interface Outbox {
  /** Resolves when handed over; fails with `overflow` over the limits and `closed` after `close`. */
  push(message: Message): Promise<void>;
  /** Sends from now on, at most this many messages at a time. */
  open(inFlightMax: number): void;
  /** Keeps messages from now on. A QoS 0 message that was being written counts as handed over. */
  pause(): void;
  /** Resolves when nothing waits and nothing is in flight. */
  idle(): Promise<void>;
  /** Fails everything that waits and everything that comes later. */
  close(): void;
  readonly inFlight: number;
  /** Payloads in flight. */
  readonly inFlightBytes: number;
}

interface Entry {
  readonly message: Message;
  readonly resolve: () => void;
  readonly reject: (error: LedgeError) => void;
}

/** Creates an outbox that keeps until it is opened. */
export function createOutbox(options: OutboxOptions): Outbox {
  const waiting = createQueue<Entry>();
  const inFlight = new Set<Entry>();
  let inFlightMax = 0;
  let bytes = 0;
  let state: 'at-rest' | 'pumping' | 'closed' = 'at-rest';
  let tellIdle: () => void = () => {};

  function finish(entry: Entry, error?: LedgeError): void {
    if (!inFlight.delete(entry)) return;
    bytes -= entry.message.payload.byteLength;
    if (error === undefined) entry.resolve();
    else entry.reject(error);
    pump();
  }

  function pump(): void {
    // A message that is written at once ends in here again: one loop, however many wait.
    if (state !== 'at-rest') return;
    state = 'pumping';
    while (inFlight.size < inFlightMax) {
      const entry = waiting.shift();
      if (entry === undefined) break;
      inFlight.add(entry);
      options.send(entry.message, (error) => finish(entry, error));
    }
    state = 'at-rest';
    if (inFlight.size === 0 && waiting.size === 0) tellIdle();
  }

  function overflows({ payload }: Message): boolean {
    const full = waiting.size + inFlight.size >= options.messagesMax;
    return full || (bytes > 0 && bytes + payload.byteLength > options.bytesMax);
  }

  return {
    get inFlight() {
      return inFlight.size;
    },
    get inFlightBytes() {
      let sum = 0;
      for (const { message } of inFlight) sum += message.payload.byteLength;
      return sum;
    },
    push(message) {
      if (state === 'closed') return Promise.reject(closedError(message));
      if (overflows(message)) return Promise.reject(overflowError(message, options));
      bytes += message.payload.byteLength;
      return new Promise((resolve, reject) => {
        waiting.push({ message, resolve, reject });
        pump();
      });
    },
    open(max) {
      inFlightMax = max;
      pump();
    },
    pause() {
      inFlightMax = 0;
      for (const entry of [...inFlight]) if (entry.message.qos === 0) finish(entry);
    },
    idle() {
      return new Promise((resolve) => {
        tellIdle = resolve;
        pump();
      });
    },
    close() {
      state = 'closed';
      for (const entry of [...inFlight]) finish(entry, closedError(entry.message));
      for (const { message, reject } of waiting.take()) reject(closedError(message));
    },
  };
}

interface Queue<Item> {
  readonly size: number;
  push(item: Item): void;
  shift(): Item | undefined;
  /** Everything, in order; the queue is empty then. */
  take(): readonly Item[];
}

/** First in, first out, in two arrays: taking one out stays cheap with thousands in it. */
function createQueue<Item>(): Queue<Item> {
  let front: Item[] = [];
  let back: Item[] = [];
  return {
    get size() {
      return front.length + back.length;
    },
    push(item) {
      back.push(item);
    },
    shift() {
      if (front.length === 0) {
        front = back.reverse();
        back = [];
      }
      return front.pop();
    },
    take() {
      const all = [...front.reverse(), ...back];
      front = [];
      back = [];
      return all;
    },
  };
}

function overflowError(message: Message, limits: OutboxOptions): LedgeError {
  const { topic } = message;
  const { messagesMax, bytesMax } = limits;
  const text = `Cannot publish on "${topic}": the queue to the broker is full`;
  const limit = `${messagesMax} messages or ${bytesMax} bytes`;
  return new LedgeError('overflow', `${text} (${limit})`, {
    retriable: true,
    context: { topic, messagesMax, bytesMax },
  });
}

function closedError(message: Message): LedgeError {
  return new LedgeError('closed', `Cannot publish on "${message.topic}": the client is closed`);
}
