import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EmbeddedBus, openBroker } from '../../src/bus/broker.ts';
import type { Message } from '../../src/bus/bus.ts';
import type { DownRoute, UpRoute } from '../../src/bus/uplink/route.ts';
import { openUplink, type Uplink, type UplinkOptions } from '../../src/bus/uplink/uplink.ts';
import { systemClock } from '../../src/std/clock.ts';
import { openStore } from '../../src/store/database.ts';
import { DEFAULT_LIMITS } from '../../src/store/outbox-class.ts';

/** A node's own broker with a store and an uplink, in this process. */
export interface Site extends AsyncDisposable {
  readonly bus: EmbeddedBus;
  readonly uplink: Uplink;
  readonly problems: string[];
  readonly folder: string;
  publish(topic: string, text: string, more?: Partial<Message>): Promise<void>;
  /** Ends with its store shut before everything else; its folder stays. */
  crash(): Promise<void>;
}

/** How a site differs from the usual one: everything under `up/` goes up as telemetry. */
export interface SiteOptions extends Partial<Omit<UplinkOptions, 'client'>> {
  readonly url: string;
  readonly folder?: string;
  readonly client?: Partial<UplinkOptions['client']>;
  readonly begin?: 'on' | 'off';
}

export const NO_PREFIX = { local: '', remote: '' };

/** A route with the usual settings. */
export function upRoute(filter: string, more: Partial<UpRoute> = {}): UpRoute {
  return { filter, class: 'telemetry', qos: 1, retain: false, prefix: NO_PREFIX, ...more };
}

/** A route with the usual settings. */
export function downRoute(filter: string, more: Partial<DownRoute> = {}): DownRoute {
  return { filter, qos: 1, retain: true, prefix: NO_PREFIX, ...more };
}

/** Opens a site. */
export async function openSite(options: SiteOptions): Promise<Site> {
  const { url, client, begin, ...rest } = options;
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'ledge-uplink-')));
  const bus = await openBroker({ port: 0 });
  const store = await openStore({ folder: join(folder, 'store'), batchMs: 1 });
  const problems: string[] = [];
  const node = options.node ?? 'test';
  const uplink = await openUplink({
    bus,
    store,
    clock: systemClock,
    node,
    up: [upRoute('up/#')],
    down: [],
    limits: DEFAULT_LIMITS,
    bytesMax: 50_000_000,
    replayPerSecond: 10_000,
    statusTopic: `ledge/${node}/bridge/uplink-state`,
    onProblem: (problem) => problems.push(problem.message),
    ...rest,
    client: { url, clientId: `ledge-${node}-uplink`, connectSeconds: 2, ackSeconds: 2, ...client },
  });
  if (begin !== 'off') await uplink.start();
  let closing: Promise<void> | undefined;
  let crashed = false;
  async function close(): Promise<void> {
    await uplink[Symbol.asyncDispose]();
    await bus[Symbol.asyncDispose]();
    await store[Symbol.asyncDispose]();
    if (options.folder === undefined && !crashed)
      await rm(folder, { recursive: true, force: true });
  }
  return {
    bus,
    uplink,
    problems,
    folder,
    publish(topic, text, more = {}) {
      return bus.publish({ topic, payload: Buffer.from(text), qos: 1, retain: false, ...more });
    },
    async crash() {
      crashed = true;
      await store[Symbol.asyncDispose]();
      closing ??= close();
      await closing;
    },
    [Symbol.asyncDispose]() {
      closing ??= close();
      return closing;
    },
  };
}

/** Resolves once the fact holds; the test's own timeout is the limit. */
export async function until(fact: () => boolean): Promise<void> {
  while (!fact()) await new Promise((resolve) => setTimeout(resolve, 5));
}
