import { createFilterIndex } from './filter.ts';

/** A packet on its way through the broker, as far as routing looks at it. */
export interface RoutedPacket {
  readonly topic: string;
}

type Deliver = (packet: RoutedPacket, done: () => void) => void;

/**
 * Routes packets to the broker's clients: the `mq` of aedes. A slow client never holds up the others:
 * `emit` calls back at once, and what waits for that client is bounded where it is written.
 */
export interface Router {
  on(filter: string, deliver: Deliver, done?: () => void): Router;
  removeListener(filter: string, deliver: Deliver, done?: () => void): Router;
  emit(packet: RoutedPacket, done?: (error?: Error) => void): Router;
  close(done: () => void): Router;
  /**
   * What aedes keeps per client to send a message once for overlapping subscriptions. Its own form
   * compares running numbers, and loses a message that a later one overtook; this one only compares
   * within one routed packet.
   */
  duplicatesFor(brokerId: string): Record<string, number>;
}

/** Creates the router of one broker. */
export function createRouter(): Router {
  const index = createFilterIndex<Deliver>();
  const added = new Map<Deliver, Map<string, () => void>>();
  let emission = 0;
  let closed = false;

  const router: Router = {
    on(filter, deliver, done) {
      const filters = added.get(deliver) ?? new Map<string, () => void>();
      added.set(deliver, filters);
      if (!filters.has(filter)) filters.set(filter, index.add(filter, deliver));
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
      emission += 1;
      for (const deliver of index.match(packet.topic)) deliver(packet, nothing);
      done?.();
      return router;
    },
    close(done) {
      closed = true;
      setImmediate(done);
      return router;
    },
    duplicatesFor(brokerId) {
      let seenIn = 0;
      let counter = 0;
      return Object.defineProperty({}, brokerId, {
        get: () => (seenIn === emission ? counter : 0),
        set(value: number) {
          seenIn = emission;
          counter = value;
        },
        enumerable: true,
        configurable: true,
      });
    },
  };
  return router;
}

function nothing(): void {}
