import type { Duplex } from 'node:stream';
import type { Peer } from './access/peer.ts';

/** The connections of a broker, from the first byte of each to its end. */
export interface Connections {
  readonly open: ReadonlySet<Duplex>;
  /** The one place where a client's bytes come in. */
  attach(stream: Duplex, peer: Peer): void;
  /** Lets in the connections that wait, and every later one at once. */
  begin(): void;
}

interface ConnectionsOptions {
  readonly connectionsMax: number;
  readonly admit: (stream: Duplex, peer: Peer) => void;
  /** Told of a connection over the limit, which is closed. */
  readonly onFull: () => void;
}

/** Creates the connections of a broker that has not begun. */
export function createConnections(options: ConnectionsOptions): Connections {
  const open = new Set<Duplex>();
  let waiting: Array<() => void> | undefined = [];

  function admit(stream: Duplex, peer: Peer): void {
    if (!stream.destroyed) options.admit(stream, peer);
  }

  return {
    open,
    attach(stream, peer) {
      if (open.size >= options.connectionsMax) {
        stream.destroy();
        options.onFull();
        return;
      }
      open.add(stream);
      stream.on('error', nothing);
      stream.once('close', () => open.delete(stream));
      if (waiting === undefined) admit(stream, peer);
      else waiting.push(() => admit(stream, peer));
    },
    begin() {
      const first = waiting ?? [];
      waiting = undefined;
      for (const admitOne of first) admitOne();
    },
  };
}

function nothing(): void {}
