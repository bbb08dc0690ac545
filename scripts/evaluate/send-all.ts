import type { Bus } from '../../src/bus/bus.ts';
import {
  type DropReport,
  type Exchange,
  type FlowTopics,
  openExchange,
  type Reply,
} from '../../src/devices/exchange.ts';
import type { Evaluated, EvaluatedEvent } from '../../src/evaluate/dataset.ts';

/** Counted events on the way at a time: keeps the workers busy; latency is mostly the flow's. */
const IN_FLIGHT_MAX = 8;
/** An event without a reply after this long is given up: it counts as not answered. */
const GIVE_UP_MS = 20_000;
/** An event in parts is whole when no part has come for this long. */
const PARTS_MS = 300;
const SWEEP_MS = 50;

export interface SentAll {
  readonly events: readonly Evaluated[];
  /** Drops the flow reported, by reason. */
  readonly dropped: Readonly<Record<string, number>>;
}

interface Pending extends Evaluated {
  results: Readonly<Record<string, unknown>>[];
  error: unknown;
  latencyMs: number | undefined;
  done: boolean;
  sentAtMs: number;
  lastAtMs: number;
}

/**
 * Sends every event in order, a bounded number at a time, and gathers what comes back. Rows that
 * are only learned from are not waited for. Every event is in the answer, whatever became of it.
 */
export async function sendAll(
  bus: Bus,
  topics: FlowTopics,
  { events, onProgress }: { events: readonly EvaluatedEvent[]; onProgress(done: number): void },
): Promise<SentAll> {
  const pending: Pending[] = [];
  const dropped: Record<string, number> = {};
  /** Counted events that are not done, oldest first. */
  const open = new Set<Pending>();
  let wake = () => {};

  function finish(one: Pending): void {
    one.done = true;
    open.delete(one);
    wake();
  }

  function onReply({ event, kind, body, latencyMs }: Reply): void {
    const one = pending[event] as Pending;
    one.latencyMs ??= latencyMs;
    one.lastAtMs = performance.now();
    if (kind === 'dead-letter') one.error = body.error;
    else one.results.push((body.result ?? {}) as Record<string, unknown>);
    // Replies keep the order of a device: what is still open before this one was held.
    for (const before of open) {
      if (before === one) break;
      if (before.event.device === one.event.device) finish(before);
    }
    // The id of a part ends with its number: more may follow.
    if (kind === 'dead-letter' || !String(body.id).includes('.')) finish(one);
  }

  function onDrop({ reason, count, devices }: DropReport): void {
    dropped[reason] = (dropped[reason] ?? 0) + count;
    for (const one of open) if (devices.includes(one.event.device)) finish(one);
  }

  const sweep = setInterval(() => {
    const now = performance.now();
    for (const one of open) {
      const whole = one.latencyMs !== undefined && now - one.lastAtMs > PARTS_MS;
      if (whole || now - one.sentAtMs > GIVE_UP_MS) finish(one);
    }
  }, SWEEP_MS);

  try {
    await using exchange = await openExchange(bus, topics, { onReply, onDrop });
    for (const event of events) {
      while (open.size >= IN_FLIGHT_MAX) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      const one = begin(event);
      pending.push(one);
      if (event.counted) open.add(one);
      await send(exchange, one);
      onProgress(pending.length);
    }
    while (open.size > 0) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  } finally {
    clearInterval(sweep);
  }
  return { events: pending, dropped };
}

function begin(event: EvaluatedEvent): Pending {
  const now = performance.now();
  return {
    event,
    results: [],
    error: undefined,
    latencyMs: undefined,
    done: false,
    sentAtMs: now,
    lastAtMs: now,
  };
}

async function send(exchange: Exchange, { event }: Pending): Promise<void> {
  const payload = await event.read();
  await exchange.send({ device: event.device, payload, contentType: event.contentType });
}
