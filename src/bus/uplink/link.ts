import type { Clock } from '../../std/clock.ts';
import { LedgeError } from '../../std/error.ts';
import type { DurableOutbox, Lease } from '../../store/outbox.ts';
import type { Message } from '../bus.ts';
import { type ClientOptions, type ExternalBus, openClient } from '../client.ts';
import type { Connected } from '../client-options.ts';
import { decodeEnvelope } from './envelope.ts';
import { createPoisonWatch } from './poison.ts';
import type { Pump, Refusal } from './pump.ts';
import type { UplinkState } from './report.ts';

/** A broker that refused a message for a while is given some time. */
const RESTART_MS = 2_000;
export interface LinkOptions {
  readonly client: Omit<ClientOptions, 'will' | 'role' | 'start' | 'onConnected' | 'onProblem'>;
  readonly will: Message;
  readonly outbox: DurableOutbox;
  readonly pump: Pump;
  readonly clock: Clock;
  /** A new client, before it connects: subscribe here. */
  onClient(client: ExternalBus): Promise<void>;
  onConnected(client: ExternalBus, connected: Connected): void;
  onRefused(refusal: Refusal): void;
  onChange(): void;
  onProblem(problem: LedgeError): void;
}

/** The connection to the remote broker, over all that can happen to it. */
export interface UplinkConnection {
  readonly state: Pick<UplinkState, 'connected' | 'since' | 'reason' | 'broker' | 'protocol'>;
  open(): Promise<void>;
  /** Sends everything that was not acknowledged again, over a client that remembers nothing. */
  restart(reason: LedgeError): void;
  /** Messages that may be on their way now. */
  windowMax(): number;
  /** Leaves what comes from now on to the broker's session. */
  hold(): void;
  /** Says goodbye, where there is somebody to hear it. */
  close(goodbye: Message): Promise<void>;
}

/** Creates the connection; it is opened later. */
export function createLink(options: LinkOptions): UplinkConnection {
  const { outbox, pump, clock } = options;
  const state = {
    connected: false,
    since: clock.now(),
    reason: 'it was not connected yet' as string | undefined,
    broker: withoutCredentials(options.client.url),
    protocol: undefined as '5' | '3.1.1' | undefined,
  };
  const poison = createPoisonWatch(outbox, pump);
  let client: ExternalBus | undefined;
  let connected: Connected | undefined;
  let restarting: Promise<void> | undefined;
  let closed = false;
  let held = false;

  function change(reason: string | undefined): void {
    const now = reason === undefined;
    if (state.connected !== now) state.since = clock.now();
    state.connected = now;
    state.reason = reason;
    state.protocol = client?.protocol;
    options.onChange();
  }

  function wentOnline(opened: ExternalBus): void {
    if (connected === undefined) return;
    options.onConnected(opened, connected);
    change(undefined);
    outbox.online();
    pump.start(opened, connected);
  }

  function wentOffline(): void {
    pump.stop();
    outbox.offline();
    change(state.reason ?? 'the connection ended');
  }

  function hear(problem: LedgeError): void {
    change(problem.message);
    options.onProblem(problem);
    if (problem.context.accepted !== true) return;
    const verdict = poison.connectionEnded();
    if (verdict === 'innocent') return;
    if (verdict !== 'probe') void giveUp(verdict).catch(options.onProblem);
    restart(problem);
  }

  async function giveUp(lease: Lease): Promise<void> {
    const { class: name, lane } = lease.entry;
    const body = (await lease.body) ?? new Uint8Array();
    outbox.drop(lease, 'refused');
    const message = decodeEnvelope(lane.topic, body);
    const text = `The broker hangs up whenever it gets a message on "${lane.topic}"`;
    const error = new LedgeError('unavailable', text, { context: { topic: lane.topic } });
    options.onRefused({ message, reason: 'refused', class: name, error });
  }

  async function openOne(): Promise<void> {
    const opened = await openClient({
      ...options.client,
      will: options.will,
      role: 'bridge',
      start: 'later',
      onConnected(now) {
        connected = now;
      },
      onProblem(problem) {
        if (!closed && opened === client) hear(problem);
      },
    });
    client = opened;
    if (held) opened.hold();
    opened.onState((now) => {
      if (opened !== client || closed) return;
      if (now === 'online') wentOnline(opened);
      else wentOffline();
    });
    await options.onClient(opened);
    await opened.start();
  }

  async function reopen(reason: LedgeError): Promise<void> {
    const old = client;
    client = undefined;
    pump.stop();
    outbox.offline();
    change(reason.message);
    options.onProblem(reason);
    await old?.[Symbol.asyncDispose]();
    outbox.recall();
    await new Promise<void>((resolve) => clock.after(RESTART_MS, resolve));
    if (!closed) await openOne();
  }

  function restart(reason: LedgeError): void {
    if (restarting !== undefined || closed) return;
    restarting = reopen(reason)
      .catch(options.onProblem)
      .finally(() => {
        restarting = undefined;
      });
  }

  return {
    state,
    restart,
    windowMax: poison.windowMax,
    open: openOne,
    hold() {
      held = true;
      client?.hold();
    },
    async close(goodbye) {
      closed = true;
      const last = client;
      pump.stop();
      outbox.offline();
      if (last?.state === 'online') void last.publish(goodbye).catch(() => undefined);
      await last?.[Symbol.asyncDispose]();
      change('the node stopped');
    },
  };
}

function withoutCredentials(url: string): string {
  if (!URL.canParse(url)) return '';
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname === '/' ? '' : pathname}`;
}
