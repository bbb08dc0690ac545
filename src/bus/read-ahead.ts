/**
 * What one client may have waiting for its acknowledgements while more is read from it: an fsync is then
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
  /** One of them has ended. */
  readonly _nextBatch: () => void;
}

interface Waiting {
  messages: number;
  bytes: number;
}

type Done = (error?: Error | null) => void;

/** Lets the broker's library read on while messages of a client wait for their place or for the disk. */
export interface ReadAhead {
  /** For each message that will be acknowledged: what to call in place of `done`. */
  waiting(client: ReadingClient, bytes: number, done: Done): Done;
}

/**
 * Creates the read-ahead of one broker. By itself the library reads what has come, and nothing more until
 * all of that is answered: a client with many messages in flight would wait for the slowest of each lot.
 */
export function createReadAhead(): ReadAhead {
  const clients = new WeakMap<object, Waiting>();
  let allBytes = 0;

  function waitingOf(client: object): Waiting {
    let waiting = clients.get(client);
    if (waiting === undefined) {
      waiting = { messages: 0, bytes: 0 };
      clients.set(client, waiting);
    }
    return waiting;
  }

  return {
    waiting(client, bytes, done) {
      const waiting = waitingOf(client);
      let state: 'new' | 'ahead' | 'answered' = 'new';
      waiting.messages += 1;
      waiting.bytes += bytes;
      allBytes += bytes;
      // Not within the reading that this message came with.
      queueMicrotask(() => {
        const { messages, bytes: own } = waiting;
        const full = messages > MESSAGES_MAX || own > BYTES_MAX || allBytes > ALL_BYTES_MAX;
        if (state !== 'new' || full || client.closed || client._paused === true) return;
        state = 'ahead';
        client._nextBatch();
      });
      return (error) => {
        // What was told as ended before is ended once more by the library.
        if (state === 'ahead') client._parsingBatch += 1;
        if (state !== 'answered') {
          waiting.messages -= 1;
          waiting.bytes -= bytes;
          allBytes -= bytes;
        }
        state = 'answered';
        done(error);
      };
    },
  };
}
