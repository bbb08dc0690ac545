import type { Duplex } from 'node:stream';

/** A connection of the broker, as far as writing to it goes. */
export interface Receiver {
  readonly conn: Duplex;
  /** Filter to granted subscription. */
  readonly subscriptions?: Readonly<Record<string, { readonly qos?: number } | undefined>>;
}

/** What may wait in memory for a client that reads slower than it is sent to. */
export interface BacklogOptions {
  /** A message that comes on top of this many unsent bytes is not written. */
  readonly bytesMax: number;
  /** Called once for a connection that is closed because it cannot be told of a loss otherwise. */
  readonly onOverrun: (receiver: Receiver) => void;
}

/**
 * Decides for every message whether a client's connection can take it, and gathers what is written in
 * one turn of the event loop into one system call. Over the limit a client that subscribed at QoS 0
 * only loses the message; one that was promised more loses its connection, so that it knows.
 */
export function boundBacklog(
  options: BacklogOptions,
): (receiver: Receiver, message: { readonly qos: number }) => boolean {
  const corked = new Set<Duplex>();

  function uncorkAll(): void {
    for (const conn of corked) conn.uncork();
    corked.clear();
  }

  return (receiver, message) => {
    const { conn } = receiver;
    if (conn.destroyed) return false;
    if (conn.writableLength > options.bytesMax) {
      if (message.qos > 0 && expectsMore(receiver)) {
        options.onOverrun(receiver);
        conn.destroy();
      }
      return false;
    }
    if (!corked.has(conn)) {
      // The write itself follows on the next `setImmediate` turn: uncork on the one after it.
      if (corked.size === 0) setImmediate(() => setImmediate(uncorkAll));
      corked.add(conn);
      conn.cork();
    }
    return true;
  };
}

function expectsMore(receiver: Receiver): boolean {
  for (const subscription of Object.values(receiver.subscriptions ?? {})) {
    if ((subscription?.qos ?? 0) > 0) return true;
  }
  return false;
}
