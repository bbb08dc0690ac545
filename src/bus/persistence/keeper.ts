import type { Write } from '../../store/store.ts';
import type { Entry } from './entry-queue.ts';
import type { Pump } from './pump.ts';
import type { RetainedMessages } from './retained-messages.ts';
import { identifiersOf, type Route, type Routes, routeFor } from './routes.ts';
import type { Session, SessionClient } from './session.ts';
import { KEYS, type SessionDisk } from './session-disk.ts';
import { ENTRY_BYTES, SESSION_MEMORY_BYTES_MAX } from './session-limits.ts';
import type { SessionList } from './session-list.ts';
import { encodeRecord, keptProperties } from './session-record.ts';
import type { SessionStock } from './session-stock.ts';
import {
  bytesOf,
  expiryOf,
  ownBytes,
  type RoutedPublish,
  type StoredPacket,
} from './stored-packet.ts';

/** Puts messages of QoS 1 and 2 into the sessions that subscribed, and takes them out again. */
export interface Keeper {
  /**
   * Gives a message to every session whose subscriptions take it, and to the retained messages. What
   * is returned resolves once all of it is on disk; undefined: nothing of it has to be. Fails where the
   * store has no room: then no session has it.
   */
  keep(packet: RoutedPublish, from: SessionClient | undefined): Promise<void> | undefined;
  /** Whether `keep` has had this message. */
  known(packet: RoutedPublish): boolean;
  /** The same, asked for the last time. */
  taken(packet: RoutedPublish): boolean;
  /** Gives one session a retained message that it has subscribed to. */
  keepFor(route: Route, packet: RoutedPublish): void;
}

interface KeeperOptions {
  readonly disk: SessionDisk;
  readonly routes: Routes;
  readonly retained: RetainedMessages;
  readonly stock: SessionStock;
  readonly list: () => SessionList;
  readonly pump: () => Pump;
  readonly now: () => number;
  /** The broker's name and next number for a message. */
  readonly number: () => { readonly brokerId: string; readonly brokerCounter: number };
}

interface Kept {
  readonly writes: Write[];
  readonly entries: { readonly session: Session; readonly entry: Entry }[];
}

/** Creates the keeper of one broker. */
export function createKeeper(options: KeeperOptions): Keeper {
  const { disk, stock, now } = options;
  const numbered = new Set<number>();

  function put(route: Route, packet: RoutedPublish, kept: Kept): void {
    const { session } = route;
    const stored = storedOf(route, packet);
    const size = ENTRY_BYTES + bytesOf(stored);
    if (!stock.makeRoom(session, size, kept.writes)) return;
    const qos = packet.qos === 2 && route.qos === 2 ? 2 : 1;
    const expiresAt = expiryOf(packet, now());
    const durable = !session.lasting;
    const entry = session.queue.append({ qos, expiresAt, durable, packet: stored, bytes: size });
    stock.add(entry);
    kept.entries.push({ session, entry });
    if (session.lasting) {
      const value = encodeRecord({ kind: 'message', id: entry.id, qos, expiresAt, ...stored });
      const key = KEYS.entry(session.key, entry.seq);
      kept.writes.push({ kind: 'put', key, value, fresh: true });
    }
    if (!session.live) return;
    session.cursor ??= entry;
    options.pump().wake(session);
  }

  /** Writes what was kept; where that fails, nothing was. */
  async function commit({ writes, entries }: Kept): Promise<void> {
    try {
      await disk.write(writes);
    } catch (error) {
      for (const { session, entry } of entries) stock.takeOut(session, entry);
      throw error;
    }
    for (const { session, entry } of entries) {
      if (!session.lasting || entry.gone) continue;
      entry.durable = true;
      const crowded = session.queue.memoryBytes > SESSION_MEMORY_BYTES_MAX;
      if (!session.live || (crowded && !entry.sent)) session.queue.evict(entry);
      options.pump().wake(session);
    }
  }

  /** What makes a message of QoS 2 known when it comes again, where its session lasts. */
  function receiving(from: SessionClient, { messageId }: RoutedPublish): Write | undefined {
    const session = options.list().of(from);
    if (session?.lasting !== true || session.ended || messageId === undefined) return undefined;
    return { kind: 'put', key: KEYS.received(session.key, messageId), value: RECEIVED };
  }

  return {
    keep(packet, from) {
      const routes = options.routes.of(packet.topic);
      const received = from === undefined || packet.qos < 2 ? undefined : receiving(from, packet);
      if (routes.length === 0 && !packet.retain && received === undefined) return undefined;
      const { brokerId, brokerCounter } = options.number();
      packet.brokerId = brokerId;
      packet.brokerCounter = brokerCounter;
      numbered.add(brokerCounter);
      const kept: Kept = { writes: [], entries: [] };
      for (const route of routes) {
        const wanted = routeFor(route, from?.id);
        if (wanted !== undefined && wanted.qos > 0) put(wanted, packet, kept);
      }
      if (received !== undefined) kept.writes.push(received);
      const retained = packet.retain ? options.retained.store(packet) : undefined;
      if (kept.writes.length === 0) return disk.lasting ? retained : undefined;
      const committed = commit(kept);
      committed.catch(() => numbered.delete(brokerCounter));
      return retained === undefined ? committed : Promise.all([committed, retained]).then(nothing);
    },
    known: ({ brokerCounter }) => brokerCounter !== undefined && numbered.has(brokerCounter),
    taken: ({ brokerCounter }) => brokerCounter !== undefined && numbered.delete(brokerCounter),
    keepFor(route, packet) {
      const kept: Kept = { writes: [], entries: [] };
      put(route, packet, kept);
      if (kept.writes.length > 0) commit(kept).catch(nothing);
    },
  };
}

/** The key says everything; a value must not be empty to be told from none. */
const RECEIVED = Uint8Array.of(1);

/** The message as its session's client is to have it. */
function storedOf(route: Route, packet: RoutedPublish): StoredPacket {
  const subscribed = packet.brokerId === null;
  const asPublished = route.subscriptions.some(({ rap }) => rap === true);
  const properties = keptProperties(packet.properties);
  const identifiers = identifiersOf(route);
  return {
    topic: packet.topic,
    payload: ownBytes(packet.payload),
    // [MQTT-3.3.1-8], [MQTT-3.3.1-12], [MQTT-3.3.1-13]
    retain: subscribed || (packet.retain && asPublished),
    ...(properties !== undefined && { properties }),
    ...(identifiers.length > 0 && { identifiers: [...identifiers] }),
  };
}

function nothing(): void {}
