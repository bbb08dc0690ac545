import { createFilterIndex } from './filter.ts';

/** A packet on its way through the broker, as far as routing looks at it. */
export interface RoutedPacket {
  readonly topic: string;
}

type Deliver = (packet: RoutedPacket, done: () => void) => void;

/** The message that is being routed, and the subscription whose turn it is. */
export interface Routing {
  readonly packet: RoutedPacket;
  readonly filter: string;
}

/**
 * Routes packets to the broker's clients: the `mq` of aedes. A slow client never holds up the others:
 * `emit` calls back at once, and what waits for that client is bounded where it is written.
 */
export interface Router {
  on(filter: string, deliver: Deliver, done?: () => void): Router;
  removeListener(filter: string, deliver: Deliver, done?: () => void): Router;
  emit(packet: RoutedPacket, done?: (error?: Error) => void): Router;
  close(done: () => void): Router;
  /** Set while `emit` calls a subscription. */
  readonly routing: Routing | undefined;
  /** Runs once, when every subscription of the message that is being routed was called. */
  afterwards(run: () => void): void;
}

interface Listener {
  readonly filter: string;
  readonly deliver: Deliver;
}

/** Creates the router of one broker. */
export function createRouter(): Router {
  const index = createFilterIndex<Listener>();
  const added = new Map<Deliver, Map<string, () => void>>();
  let routing: { packet: RoutedPacket; filter: string } | undefined;
  let after: Array<() => void> = [];
  let closed = false;

  const router: Router = {
    get routing() {
      return routing;
    },
    afterwards(run) {
      after.push(run);
    },
    on(filter, deliver, done) {
      const filters = added.get(deliver) ?? new Map<string, () => void>();
      added.set(deliver, filters);
      if (!filters.has(filter)) filters.set(filter, index.add(filter, { filter, deliver }));
      if (done !== undefined) setImmediate(done);
      return router;
    },
    removeListener(filter, deliver, done) {
      const filters = added.get(deliver);
      filters?.get(filter)?.();
      filters?.delete(filter);
      if (filters?.size === 0) added.delete(deliver);
      if (done !== undefined) setImmediate(done);
      return router;
    },
    emit(packet, done) {
      if (closed) {
        done?.(new Error('the router is closed'));
        return router;
      }
      const now = { packet, filter: '' };
      routing = now;
      for (const { filter, deliver } of index.match(packet.topic)) {
        now.filter = filter;
        deliver(packet, nothing);
      }
      routing = undefined;
      if (after.length > 0) {
        const runs = after;
        after = [];
        for (const run of runs) run();
      }
      done?.();
      return router;
    },
    close(done) {
      closed = true;
      setImmediate(done);
      return router;
    },
  };
  return router;
}

function nothing(): void {}
