import type { Clock } from '../../std/clock.ts';
import type { Store } from '../../store/store.ts';
import type { RetainedPacket } from '../retained.ts';
import type { Entry } from './entry-queue.ts';
import { createKeeper, type Keeper } from './keeper.ts';
import { createLibraryStore } from './library-store.ts';
import { loadSessions } from './load-sessions.ts';
import { createPump, type DropReason, type Pump } from './pump.ts';
import { createRetained, type RetainedMessages } from './retained-messages.ts';
import { createRoutes, type Routes } from './routes.ts';
import { createReceived, type Session, type SessionClient } from './session.ts';
import { createSessionDisk, KEYS, type SessionDisk } from './session-disk.ts';
import type { Tell } from './session-limits.ts';
import { SESSION_LIMITS, type SessionLimits } from './session-limits.ts';
import { createSessionList, type SessionList } from './session-list.ts';
import { decodeEntry, packetOf } from './session-record.ts';
import { createSessionStock, type SessionStock } from './session-stock.ts';
import type { RoutedPublish, StoredPacket } from './stored-packet.ts';
import { createWills, type Wills } from './wills.ts';

/** What the sessions of one broker hold and have lost. */
export interface SessionCounts {
  readonly sessions: number;
  /** Of them without a client. */
  readonly absent: number;
  readonly queuedMessages: number;
  readonly queuedBytes: number;
  readonly retainedMessages: number;
  readonly retainedBytes: number;
  readonly retainedRefused: number;
  readonly dropped: Readonly<Record<DropReason, number>>;
}

/** Everything that the broker keeps for its clients: on disk where there is a store. */
export interface Sessions extends AsyncDisposable {
  /** The persistence that aedes takes. */
  readonly library: object;
  /** See `Keeper.keep`; for every message of QoS 1 and 2 before the library routes it. */
  keep(packet: RoutedPublish, from: SessionClient | undefined): Promise<void> | undefined;
  /**
   * Notes that a message of QoS 2 has come. Undefined: it is new, and `keep` follows; otherwise it is
   * here already, and what is returned resolves once it has its place.
   */
  receive(client: SessionClient, packet: RoutedPublish): Promise<void> | undefined;
  /** The message could not be kept: when it comes again it is new. */
  unreceive(client: SessionClient, packet: RoutedPublish): void;
  /** The packet that the library may write to a client; null: its session sends it. */
  forward<Packet extends RoutedPublish>(client: SessionClient, packet: Packet): Packet | null;
  /** The retained messages that a filter takes. */
  retained(filter: string): readonly RetainedPacket[];
  counts(): SessionCounts;
  /** Publishes the wills that the last run left. */
  begin(): void;
}

export interface SessionsOptions {
  readonly store?: Store | undefined;
  readonly limits?: Partial<SessionLimits> | undefined;
  readonly clock: Clock;
  readonly tell: Tell;
  /** Resolves when a will of the last run was routed. */
  readonly publishWill: (will: RoutedPublish) => Promise<void>;
  /** Whether a client may read a topic, now. */
  readonly mayReceive?: (client: SessionClient, topic: string) => boolean;
}

/** What the parts of the sessions share. */
export interface SessionParts {
  readonly disk: SessionDisk;
  readonly clock: Clock;
  readonly limits: SessionLimits;
  readonly routes: Routes;
  readonly retained: RetainedMessages;
  readonly wills: Wills;
  readonly list: SessionList;
  readonly keeper: Keeper;
  readonly stock: SessionStock;
  readonly pump: Pump;
  readonly tell: Tell;
}

/** Reads what the last run left, if there is a store; damaged values are set aside and told. */
export async function openSessions(options: SessionsOptions): Promise<Sessions> {
  let numbers = { brokerId: '', counter: () => 0 };
  const number = () => ({ brokerId: numbers.brokerId, brokerCounter: numbers.counter() });
  const parts = createParts(options, number);
  await loadSessions(parts);
  const library = createLibraryStore(parts, (brokerId, counter) => {
    numbers = { brokerId, counter };
  });
  return createFace(parts, library);
}

function createParts(
  options: SessionsOptions,
  number: () => { brokerId: string; brokerCounter: number },
): SessionParts {
  const { clock, tell, publishWill, mayReceive = () => true } = options;
  const limits = { ...SESSION_LIMITS, ...options.limits };
  const disk = createSessionDisk(options.store, clock);
  const routes = createRoutes();
  const shared = { disk, limits, now: clock.now, tell };
  const retained = createRetained(shared);
  const wills = createWills({ disk, clock, publish: publishWill });
  const late = { list: () => list, pump: () => pump };
  const end = (session: Session) => list.end(session);
  const stock = createSessionStock({ disk, limits, tell, end, pump: late.pump });
  const keeper = createKeeper({ ...late, disk, routes, retained, stock, now: clock.now, number });
  const pump = createPump({
    now: clock.now,
    mayReceive,
    drop: stock.drop,
    readBack: (session, entry) => readBack({ disk, tell }, session, entry),
  });
  const list = createSessionList({
    disk,
    limits,
    clock,
    place: (placed) => routes.add(placed),
    onLeave(session) {
      pump.halt(session);
      stock.evictAll(session);
    },
    onEnd(session, why) {
      if (why === 'too-many') {
        tell(
          'overflow',
          `Ended the session of client "${session.id}": ${limits.sessionsMax} others are kept`,
        );
      }
      stock.forget(session, why === 'expired' ? 'expired' : 'ended');
    },
  });
  return { disk, clock, limits, routes, retained, wills, list, keeper, stock, pump, tell };
}

/** Reads a payload that only the disk has; a damaged one is set aside. */
async function readBack(
  { disk, tell }: Pick<SessionParts, 'disk' | 'tell'>,
  session: Session,
  entry: Entry,
): Promise<StoredPacket | undefined> {
  const key = KEYS.entry(session.key, entry.seq);
  const value = await disk.get(key);
  const record = value === undefined ? undefined : decodeEntry(value);
  if (record?.kind === 'message') return packetOf(record);
  if (entry.gone) return undefined;
  if (value !== undefined) disk.setAside(key, value);
  tell('value-invalid', `Set aside a damaged message for client "${session.id}"`);
  return undefined;
}

function createFace(parts: SessionParts, library: object): Sessions {
  const { keeper, stock, list, retained, routes, wills, disk } = parts;
  let closing: Promise<void> | undefined;

  async function close(): Promise<void> {
    wills.close();
    for (const { client } of [...list.values()]) if (client !== undefined) list.detach(client);
    // What is saved waits a turn, so that the changes of one moment go together.
    await new Promise((resolve) => setImmediate(resolve));
    await disk.flush();
    for (const session of list.values()) session.callOffEnd();
  }

  return {
    library,
    keep: keeper.keep,
    receive(client, packet) {
      const session = list.of(client);
      const { messageId } = packet;
      if (session === undefined || messageId === undefined) return undefined;
      const known = session.received.get(messageId);
      if (known !== undefined) return known.settled;
      session.received.set(messageId, createReceived(packet));
      return undefined;
    },
    unreceive(client, { messageId }) {
      if (messageId !== undefined) list.of(client)?.received.delete(messageId);
    },
    forward(client, packet) {
      if (packet.qos === 0) return packet;
      const session = list.of(client);
      if (session === undefined || session.ended) return null;
      const route = routes.of(packet.topic).find((one) => one.session === session);
      if (packet.brokerId === null && route !== undefined && route.qos > 0) {
        keeper.keepFor(route, packet);
      }
      return null;
    },
    retained: (filter) => retained.match(filter),
    counts() {
      let queuedMessages = 0;
      for (const { queue } of list.values()) queuedMessages += queue.messages;
      return {
        sessions: list.size,
        absent: list.absent,
        queuedMessages,
        queuedBytes: stock.bytes,
        retainedMessages: retained.messages,
        retainedBytes: retained.bytes,
        retainedRefused: retained.refused,
        dropped: { ...stock.dropped },
      };
    },
    begin: () => wills.begin(),
    [Symbol.asyncDispose]() {
      closing ??= close();
      return closing;
    },
  };
}
