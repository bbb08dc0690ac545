import { connect, createServer, type Socket } from 'node:net';
import { freePort } from '../../free-port.ts';

/** What a hop does to the connections through it. */
export type Manner =
  | { readonly kind: 'pass' }
  /** Every chunk waits so long; order is kept. */
  | { readonly kind: 'delay'; readonly ms: number }
  /** Takes connections and bytes, and gives nothing on. */
  | { readonly kind: 'silent' }
  /** Connections are refused, and those there are cut. */
  | { readonly kind: 'closed' };

/** A hop between the node and its uplink. */
export interface TcpProxy {
  readonly port: number;
  /** How connections are treated from now on, those that are open included. */
  treat(manner: Manner): void;
  /** Cuts every connection at once. */
  drop(): void;
  /** Gives the next chunk on only in part, and cuts there. */
  truncate(): void;
  /** Ends the direction to the broker (FIN), the other one stays open. */
  halfClose(): void;
  close(): Promise<void>;
}

interface Hop {
  readonly near: Socket;
  readonly far: Socket;
}

/** Starts a hop in front of a port of this machine. */
export async function openTcpProxy(target: number): Promise<TcpProxy> {
  const port = await freePort();
  const hops = new Set<Hop>();
  let manner: Manner = { kind: 'pass' };
  let cutNext = false;

  const server = createServer({ noDelay: true, allowHalfOpen: true }, (near) => {
    if (manner.kind === 'closed') {
      near.destroy();
      return;
    }
    const far = connect({ port: target, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    const hop = { near, far };
    hops.add(hop);
    carry(near, far, hop);
    carry(far, near, hop);
  });

  function carry(from: Socket, to: Socket, hop: Hop): void {
    /** What waits, with when it is due: timers of their own might fire in another order. */
    const waiting: { readonly act: () => void; readonly dueAt: number }[] = [];
    const later = (act: () => void) => {
      const delayMs = manner.kind === 'delay' ? manner.ms : 0;
      const dueAt = Math.max(waiting.at(-1)?.dueAt ?? 0, performance.now() + delayMs);
      waiting.push({ act, dueAt });
      if (waiting.length === 1) goOn();
    };
    const goOn = () => {
      for (let [next] = waiting; next !== undefined; [next] = waiting) {
        const waitMs = next.dueAt - performance.now();
        if (waitMs > 0) {
          setTimeout(goOn, waitMs);
          return;
        }
        next.act();
        waiting.shift();
      }
    };
    let truncated = false;
    from.on('data', (chunk: Buffer) => {
      if (manner.kind === 'silent' || truncated) return;
      if (cutNext && chunk.length > 1) {
        cutNext = false;
        truncated = true;
        later(() => to.write(chunk.subarray(0, chunk.length >> 1), () => cut(hop)));
        return;
      }
      later(() => to.write(chunk));
    });
    from.on('end', () => later(() => to.end()));
    from.on('error', () => cut(hop));
    from.on('close', () => cut(hop));
  }

  function cut(hop: Hop): void {
    hops.delete(hop);
    hop.near.destroy();
    hop.far.destroy();
  }

  function dropAll(): void {
    for (const hop of [...hops]) cut(hop);
  }

  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    port,
    treat(next) {
      // What a silent hop has swallowed is missing from the streams: they cannot go on.
      if (manner.kind === 'silent' && next.kind !== 'silent') dropAll();
      manner = next;
      if (next.kind === 'closed') dropAll();
    },
    drop: dropAll,
    truncate() {
      cutNext = true;
    },
    halfClose() {
      for (const { far } of hops) far.end();
    },
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      dropAll();
      await closed;
    },
  };
}
