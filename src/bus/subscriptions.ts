import { LedgeError } from '../std/error.ts';
import type { DeliveryHandler, Subscription } from './bus.ts';
import type { Handler, Inbound } from './inbound.ts';

/** Filters in one SUBSCRIBE: some brokers limit the packet. */
const FILTERS_PER_PACKET = 100;

/** What is asked of a broker for one filter. */
export interface FilterRequest {
  readonly filter: string;
  readonly qos: 0 | 1 | 2;
  /** Whether retained messages come even where the broker still knows the subscription. */
  readonly retained: 'send' | 'if-new';
}

/** What became of a request; `lost`: the connection went before the broker answered. */
export type FilterOutcome = 'granted' | 'refused' | 'lost';

interface Wire {
  /** One outcome for each request, in order. Never fails. */
  subscribe(requests: readonly FilterRequest[]): Promise<readonly FilterOutcome[]>;
  unsubscribe(filter: string): Promise<void>;
  readonly onRefused: (filter: string) => void;
}

/** The subscriptions of one client, over its whole life, whatever a broker forgets. */
export interface Subscriptions {
  add(filter: string, qos: 0 | 1 | 2, handler: DeliveryHandler): Promise<Subscription>;
  /** Asks for everything again on a new connection. */
  restore(): Promise<void>;
  /** The connection went: what comes now is asked for at the next one. */
  pause(): void;
  /** From now on the broker keeps the subscriptions that are closed here. */
  hold(): void;
}

/** Creates the list of subscriptions of one client. */
export function createSubscriptions(inbound: Inbound, wire: Wire): Subscriptions {
  const filters = new Map<string, Set<Handler>>();
  let live = false;
  let restoredBefore = false;
  let held = false;

  function request(filter: string, retained: 'send' | 'if-new'): FilterRequest {
    let qos: 0 | 1 | 2 = 0;
    for (const handler of filters.get(filter) ?? []) if (handler.qos > qos) qos = handler.qos;
    return { filter, qos, retained };
  }

  return {
    async add(filter, qos, handle) {
      const handler: Handler = { qos, handler: handle, wantsRetained: true };
      const handlers = filters.get(filter) ?? new Set<Handler>();
      filters.set(filter, handlers);
      // The others had the retained messages when they were new.
      for (const other of handlers) other.wantsRetained = false;
      handlers.add(handler);
      const stop = inbound.add(filter, handler);
      const remove = () => {
        stop();
        handlers.delete(handler);
        if (handlers.size > 0 || filters.get(filter) !== handlers) return false;
        return filters.delete(filter);
      };
      if (live) {
        const [outcome] = await wire.subscribe([request(filter, 'send')]);
        if (outcome === 'refused') {
          remove();
          const message = `Cannot subscribe to "${filter}": the broker refuses it`;
          throw new LedgeError('unavailable', message, { context: { filter } });
        }
      }
      return {
        async close() {
          if (remove() && live && !held) await wire.unsubscribe(filter);
        },
      };
    },
    async restore() {
      live = true;
      const retained = restoredBefore ? 'if-new' : 'send';
      restoredBefore = true;
      const requests = [...filters.keys()].map((filter) => request(filter, retained));
      for (const handlers of filters.values()) {
        for (const handler of handlers) handler.wantsRetained = true;
      }
      if (requests.length === 0) return;
      const outcomes = await wire.subscribe(requests);
      for (const [at, { filter }] of requests.entries()) {
        if (outcomes[at] === 'refused') wire.onRefused(filter);
      }
    },
    pause() {
      live = false;
    },
    hold() {
      held = true;
    },
  };
}

/** Groups requests that can share a SUBSCRIBE. */
export function alikeBatches(requests: readonly FilterRequest[]): FilterRequest[][] {
  const batches: FilterRequest[][] = [];
  const open = new Map<string, FilterRequest[]>();
  for (const request of requests) {
    const key = `${request.qos} ${request.retained}`;
    let batch = open.get(key);
    if (batch === undefined || batch.length >= FILTERS_PER_PACKET) {
      batch = [];
      batches.push(batch);
      open.set(key, batch);
    }
    batch.push(request);
  }
  return batches;
}
