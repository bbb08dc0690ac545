import type { Clock } from '../../std/clock.ts';
import { LedgeError } from '../../std/error.ts';
import { type DurableOutbox, openOutbox } from '../../store/outbox.ts';
import type { ClassLimits, ClassStats, OutboxClass } from '../../store/outbox-class.ts';
import { forEachClass } from '../../store/outbox-record.ts';
import type { Store } from '../../store/store.ts';
import type { Bus, Message } from '../bus.ts';
import type { ClientOptions, ExternalBus } from '../client.ts';
import { matches } from '../filter.ts';
import { type DownCounts, openDown } from './down.ts';
import { createLink } from './link.ts';
import { createEchoMemory } from './passage.ts';
import { createPump, type Refusal } from './pump.ts';
import { createReport, type UplinkState } from './report.ts';
import type { DownRoute, UpRoute } from './route.ts';
import { openUp } from './up.ts';

/** A larger payload is not repeated in a dead letter: it would double what overloads a node. */
const DEAD_LETTER_PAYLOAD_BYTES_MAX = 262_144;
/** How long closing waits for acknowledgements: what is on its way is on disk as well. */
const CLOSE_MS_MAX = 2_000;

export interface UplinkOptions {
  /** The node's own bus. */
  readonly bus: Bus & Partial<Pick<ExternalBus, 'protocol'>>;
  readonly store: Store;
  readonly clock: Clock;
  readonly node: string;
  /** How the remote broker is reached; last will, role and callbacks are the uplink's own. */
  readonly client: Omit<ClientOptions, 'will' | 'role' | 'start' | 'onConnected' | 'onProblem'>;
  readonly up: readonly UpRoute[];
  readonly down: readonly DownRoute[];
  readonly limits: Readonly<Record<OutboxClass, ClassLimits>>;
  /** All classes together. */
  readonly bytesMax: number;
  readonly replayPerSecond: number;
  /** Remote topic that says, retained, whether the node is there; also its last will. */
  readonly statusTopic: string;
  onProblem(problem: LedgeError): void;
}

/** Store and forward to another broker. */
export interface Uplink extends AsyncDisposable {
  readonly state: UplinkState;
  readonly stats: Readonly<Record<OutboxClass, ClassStats>>;
  /** Connects; whatever comes of it. Call it when the node's bus is ready. */
  start(): Promise<void>;
}

/**
 * Opens the uplink: from now on a message of an `up` route is accepted once it is on disk. Throws
 * `config-invalid` for a URL that cannot be used.
 */
export async function openUplink(options: UplinkOptions): Promise<Uplink> {
  const { bus, clock, node, statusTopic } = options;
  const base = `ledge/${node}/bridge`;
  const stateTopic = `${base}/uplink`;
  const deadLetterTopic = `${base}/uplink-dead-letter`;
  const abort = new AbortController();
  const counts: DownCounts = { received: 0, delivered: 0, dropped: { echo: 0, refused: 0 } };
  const wentUp = createEchoMemory(clock.now);
  const cameDown = bus.kind === 'external' ? createEchoMemory(clock.now) : undefined;
  const downFilters = options.down.map(({ filter }) => filter);
  const outbox = await openOutbox({
    ...options,
    onReady: () => pump.wake(),
    onDamaged: (key, error) => options.onProblem(damagedError(key, error)),
  });
  const pump = createPump({
    outbox,
    windowMax: () => link.windowMax(),
    onSend(message) {
      if (downFilters.some((filter) => matches(filter, message.topic))) wentUp.remember(message);
    },
    onRefused: (refusal) => void tellRefusal(refusal),
    onPostponed: (error) => link.restart(error),
    onChange: () => report.changed(),
  });
  const link = createLink({
    client: options.client,
    will: statusMessage(statusTopic, 'offline'),
    outbox,
    pump,
    onClient: (client) =>
      openDown(client, {
        ...options,
        routes: options.down,
        counts,
        wentUp,
        cameDown,
        signal: abort.signal,
        onChange: () => report.changed(),
        onProblem: options.onProblem,
      }),
    onConnected(client, { session }) {
      void client.publish(statusMessage(statusTopic, 'online')).catch(ignore);
      if (session === 'new') void up.sendRetained().catch(options.onProblem);
    },
    onRefused: (refusal) => void tellRefusal(refusal),
    onChange: () => report.changed(),
    onProblem: options.onProblem,
    clock,
  });
  const report = createReport({
    clock,
    state: stateNow,
    publish: (state) => publishLocal(stateTopic, state, 'retained'),
  });
  const up = await openUp({
    ...options,
    outbox,
    routes: options.up,
    own: new Set([stateTopic, deadLetterTopic, `${base}/ledger`]),
    cameDown,
    onChange: () => report.changed(),
  });
  let closing: Promise<void> | undefined;

  function stateNow(): UplinkState {
    const stats = outbox.stats();
    return {
      ...link.state,
      queued: forEachClass((name) => stats[name].queued),
      dropped: forEachClass((name) => stats[name].dropped),
      emitted: forEachClass((name) => stats[name].emitted),
      acked: forEachClass((name) => stats[name].acked),
      down: structuredClone(counts),
    };
  }

  async function publishLocal(topic: string, body: object, kind: 'retained' | 'event') {
    const payload = Buffer.from(JSON.stringify(body));
    const properties = { contentType: 'application/json' };
    try {
      await bus.publish({ topic, payload, qos: 1, retain: kind === 'retained', properties });
    } catch {
      // The bus is closing, or its broker is away with a full queue; the state is told again.
    }
  }

  async function tellRefusal(refusal: Refusal): Promise<void> {
    options.onProblem(refusal.error);
    await publishLocal(deadLetterTopic, deadLetterOf(refusal, clock.now()), 'event');
  }

  async function close(): Promise<void> {
    await up.close();
    await idle({ outbox, pump, connected: () => link.state.connected, clock });
    abort.abort();
    await link.close(statusMessage(statusTopic, 'offline'));
    await outbox[Symbol.asyncDispose]();
    report.close();
    await report.flush();
  }

  return {
    get state() {
      return stateNow();
    },
    get stats() {
      return outbox.stats();
    },
    async start() {
      await report.flush();
      await link.open();
    },
    [Symbol.asyncDispose]() {
      closing ??= close();
      return closing;
    },
  };
}

/** Resolves when what is on its way was acknowledged, or cannot be. */
async function idle(parts: {
  readonly outbox: DurableOutbox;
  readonly pump: { readonly inFlight: number; stop(): void };
  readonly connected: () => boolean;
  readonly clock: Clock;
}): Promise<void> {
  const { pump, clock } = parts;
  const until = clock.now() + CLOSE_MS_MAX;
  parts.outbox.offline();
  pump.stop();
  while (pump.inFlight > 0 && parts.connected() && clock.now() < until) {
    await new Promise<void>((resolve) => clock.after(10, resolve));
  }
}

function statusMessage(topic: string, state: 'online' | 'offline'): Message {
  return { topic, payload: Buffer.from(JSON.stringify({ state })), qos: 1, retain: true };
}

function deadLetterOf({ message, reason, class: name, error }: Refusal, ts: number): object {
  const { topic, payload } = message;
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  const small = payload.byteLength <= DEAD_LETTER_PAYLOAD_BYTES_MAX;
  return {
    topic,
    class: name,
    reason,
    ts,
    error: { code: error.code, message: error.message, context: error.context },
    payloadBytes: payload.byteLength,
    ...(small && { payload: bytes.toString('base64'), payloadEncoding: 'base64' }),
  };
}

function damagedError(key: string, cause: unknown): LedgeError {
  const text = `Cannot read "${key}" of the outbox: ${cause instanceof Error ? cause.message : cause}`;
  return new LedgeError('payload-invalid', text, { cause, context: { key } });
}

function ignore(): void {}
