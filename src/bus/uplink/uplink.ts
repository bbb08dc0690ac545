import type { Clock } from '../../std/clock.ts';
import { LedgeError } from '../../std/error.ts';
import { type DurableOutbox, openOutbox } from '../../store/outbox.ts';
import type { ClassLimits, ClassStats, OutboxClass } from '../../store/outbox-class.ts';
import { forEachClass } from '../../store/outbox-record.ts';
import type { Store } from '../../store/store.ts';
import type { Message } from '../bus.ts';
import type { ClientOptions } from '../client.ts';
import { matches } from '../filter.ts';
import { type DownCounts, type DownOptions, openDown } from './down.ts';
import { createLink, type UplinkConnection } from './link.ts';
import { createLocalTopics } from './local-topics.ts';
import { createEchoMemory, type EchoMemory } from './passage.ts';
import { createPump, type Refusal } from './pump.ts';
import { createReport, type UplinkState } from './report.ts';
import type { DownRoute, UpRoute } from './route.ts';
import { type LocalBus, openUp } from './up.ts';

/** How long closing waits for acknowledgements: what is on its way is on disk as well. */
const CLOSE_MS_MAX = 2_000;

export interface UplinkOptions {
  /** The node's own bus. */
  readonly bus: LocalBus;
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
  /** Takes nothing down any more, for the time before a close: the other broker keeps it. */
  hold(): void;
}

/**
 * Opens the uplink: from now on a message of an `up` route is accepted once it is on disk. Throws
 * `config-invalid` for a URL that cannot be used.
 */
export async function openUplink(options: UplinkOptions): Promise<Uplink> {
  const { bus, clock, node, statusTopic } = options;
  const topics = createLocalTopics(bus, node);
  const abort = new AbortController();
  const counts: DownCounts = { received: 0, delivered: 0, dropped: { echo: 0, refused: 0 } };
  const wentUp = createEchoMemory(clock.now);
  const cameDown = bus.kind === 'external' ? createEchoMemory(clock.now) : undefined;
  const changed = () => report.changed();
  const outbox = await openOutbox({
    ...options,
    onReady: () => pump.wake(),
    onDamaged: (key, error) => options.onProblem(damagedError(key, error)),
  });
  const pump = createPump({
    outbox,
    windowMax: () => link.windowMax(),
    onSend: rememberFor(options.down, wentUp),
    onRefused: tellRefusal,
    onPostponed: (error) => link.restart(error),
    onChange: changed,
  });
  const { signal } = abort;
  const { onProblem } = options;
  const common = { bus, node, cameDown, onProblem, onChange: changed };
  const down: DownOptions = { ...common, routes: options.down, counts, wentUp, signal };
  const link = createLink({
    client: options.client,
    will: statusMessage(statusTopic, 'offline'),
    outbox,
    pump,
    onClient: (client) => openDown(client, down),
    onConnected(client, { session }) {
      void client.publish(statusMessage(statusTopic, 'online')).catch(ignore);
      if (session === 'new') void up.sendRetained().catch(options.onProblem);
    },
    onRefused: tellRefusal,
    onChange: changed,
    onProblem: options.onProblem,
    clock,
  });
  const report = createReport({
    clock,
    state: () => stateOf(link, outbox, counts),
    publish: topics.tellState,
  });
  const up = await openUp({ ...common, outbox, routes: options.up, own: topics.own });
  let closing: Promise<void> | undefined;

  function tellRefusal(refusal: Refusal): void {
    options.onProblem(refusal.error);
    void topics.tellRefusal(refusal, clock.now());
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
      return stateOf(link, outbox, counts);
    },
    get stats() {
      return outbox.stats();
    },
    async start() {
      await report.flush();
      await link.open();
    },
    hold: link.hold,
    [Symbol.asyncDispose]() {
      closing ??= close();
      return closing;
    },
  };
}

/** Remembers only what can come down again. */
function rememberFor(routes: readonly DownRoute[], memory: EchoMemory): (message: Message) => void {
  return (message) => {
    if (routes.some(({ filter }) => matches(filter, message.topic))) memory.remember(message);
  };
}

function stateOf(
  link: Pick<UplinkConnection, 'state'>,
  outbox: DurableOutbox,
  down: DownCounts,
): UplinkState {
  const stats = outbox.stats();
  return {
    ...link.state,
    queued: forEachClass((name) => stats[name].queued),
    dropped: forEachClass((name) => stats[name].dropped),
    emitted: forEachClass((name) => stats[name].emitted),
    acked: forEachClass((name) => stats[name].acked),
    down: structuredClone(down),
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

function damagedError(key: string, cause: unknown): LedgeError {
  const why = cause instanceof Error ? cause.message : String(cause);
  const text = `Cannot read "${key}" of the outbox: ${why}`;
  return new LedgeError('payload-invalid', text, { cause, context: { key } });
}

function ignore(): void {}
