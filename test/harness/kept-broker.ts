import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrokerOptions, type EmbeddedBus, openBroker } from '../../src/bus/broker.ts';
import type { LedgeError } from '../../src/std/error.ts';
import { openStore, type StoreOptions } from '../../src/store/database.ts';
import type { Store } from '../../src/store/store.ts';
import { connectWire, type WireClient, type WireOptions } from './wire-client.ts';

/** A broker whose clients' sessions outlive it. */
export interface KeptBroker extends AsyncDisposable {
  readonly bus: EmbeddedBus;
  readonly store: Store;
  readonly problems: readonly LedgeError[];
  connect(options?: WireOptions): Promise<WireClient>;
  /** Connects with a session that lasts: an hour, where MQTT 5 asks for a time. */
  resume(clientId: string, options?: WireOptions): Promise<WireClient>;
  /** Resolves when no client is connected. */
  empty(): Promise<void>;
  /** Closes broker and store, and opens both again; `change` may touch the store between. */
  restart(change?: (store: Store) => Promise<void>): Promise<void>;
  /** Goes on with what the disk has now, as after a power cut: nobody says good-bye. */
  crash(): Promise<void>;
}

/** Opens a broker with a store in a folder of its own. */
export async function openKeptBroker(
  options: BrokerOptions = {},
  ofStore: Partial<StoreOptions> = {},
): Promise<KeptBroker> {
  const folder = await mkdtemp(join(tmpdir(), 'ledge-kept-'));
  const problems: LedgeError[] = [];
  let run = 0;
  const path = () => join(folder, String(run));
  const openBus = () =>
    openBroker({ port: 0, ...options, store, onProblem: (problem) => problems.push(problem) });
  let store = await openStore({ ...ofStore, folder: path() });
  let bus = await openBus();

  const kept: KeptBroker = {
    get bus() {
      return bus;
    },
    get store() {
      return store;
    },
    problems,
    connect: (how) => connectWire(bus.port, how),
    resume(clientId, how = {}) {
      const lasts =
        how.version === 4
          ? { clean: false }
          : { clean: false, properties: { sessionExpiryInterval: 3600 } };
      return connectWire(bus.port, { ...how, clientId, connect: { ...lasts, ...how.connect } });
    },
    async empty() {
      while (bus.connections > 0) await new Promise((resolve) => setImmediate(resolve));
    },
    async restart(change) {
      await bus[Symbol.asyncDispose]();
      await change?.(store);
      await store[Symbol.asyncDispose]();
      store = await openStore({ ...ofStore, folder: path() });
      bus = await openBus();
    },
    async crash() {
      await store.flush();
      const old = { bus, store };
      const from = path();
      run += 1;
      await cp(from, path(), { recursive: true });
      await old.bus[Symbol.asyncDispose]();
      await old.store[Symbol.asyncDispose]();
      store = await openStore({ ...ofStore, folder: path() });
      bus = await openBus();
    },
    async [Symbol.asyncDispose]() {
      await bus[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
  return kept;
}
