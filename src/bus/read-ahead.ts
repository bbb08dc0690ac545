/**
 * What one client may have waiting for its place or the disk while more is read from it: an fsync is then
 * shared by all that came meanwhile. Four times what a busy publisher has in flight.
 */
const MESSAGES_MAX = 256;
const BYTES_MAX = 512 * 1024;
/** Of all clients together: a thousand of them must not fill the memory of a small board. */
const ALL_BYTES_MAX = 16 * 1024 * 1024;

/** The library's client, as far as its reading goes. */
export interface ReadingClient {
  readonly closed: boolean;
  readonly _paused?: boolean;
  /** Packets whose end is waited for before more is read. */
  _parsingBatch: number;
  /** Reads no further from the connection, until `resume`. */
  pause(): void;
  resume(): void;
}

interface Waiting {
  messages: number;
  bytes: number;
  reading: 'on' | 'held';
}

type Done = (error?: Error | null) => void;

/** How far the broker's library reads on while messages of a client wait for their place or the disk. */
export interface ReadAhead {
  /** For each message: what to call in place of `done`. */
  waiting(client: ReadingClient, bytes: number, done: Done): Done;
}

/**
 * Creates the read-ahead of one broker. By itself the library reads all that comes in small pieces,
 * without a limit, and of what comes in one piece waits for the slowest message before it reads more.
 */
export function createReadAhead(): ReadAhead {
  const clients = new WeakMap<object, Waiting>();
  let allBytes = 0;

  function waitingOf(client: object): Waiting {
    let waiting = clients.get(client);
    if (waiting === undefined) {
      waiting = { messages: 0, bytes: 0, reading: 'on' };
      clients.set(client, waiting);
    }
    return waiting;
  }

  function isFull({ messages, bytes }: Waiting): boolean {
    return messages >= MESSAGES_MAX || bytes >= BYTES_MAX || allBytes >= ALL_BYTES_MAX;
  }

  return {
    waiting(client, bytes, done) {
      const waiting = waitingOf(client);
      let answered = false;
      waiting.messages += 1;
      waiting.bytes += bytes;
      allBytes += bytes;
      if (waiting.reading === 'on' && isFull(waiting)) {
        waiting.reading = 'held';
        client.pause();
      }
      // Not within the reading that this message came with.
      queueMicrotask(() => {
        if (!answered && !client.closed && client._paused !== true) readOn(client);
      });
      return (error) => {
        if (!answered) {
          waiting.messages -= 1;
          waiting.bytes -= bytes;
          allBytes -= bytes;
        }
        answered = true;
        done(error);
        if (waiting.reading === 'on' || (waiting.messages > 0 && isFull(waiting))) return;
        waiting.reading = 'on';
        if (!client.closed) readOn(client);
      };
    },
  };
}

/** The library counts what it has given out, and does not hear of what ends while it is paused. */
function readOn(client: ReadingClient): void {
  client._parsingBatch = 0;
  client.resume();
}
