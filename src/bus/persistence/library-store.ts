import { Readable } from 'node:stream';
import type { RetainedPacket } from '../retained.ts';
import type { Entry } from './entry-queue.ts';
import type { Session, SessionClient, SessionSubscription } from './session.ts';
import { KEYS } from './session-disk.ts';
import type { SessionParts } from './sessions.ts';
import type { RoutedPublish } from './stored-packet.ts';
import type { Will } from './wills.ts';

/** A packet about another one. */
interface About {
  readonly cmd?: string;
  readonly messageId?: number;
  reasonCode?: number;
}

interface LibraryBroker {
  readonly id: string;
  counter: number;
}

/** The one filter that the library cannot have as a name in a plain object. */
const PROTOTYPE = '__proto__';

type Numbering = (brokerId: string, counter: () => number) => void;

/** Takes the place of subscriptions in a session that has none: the library tells sessions by them. */
const SESSION_ITSELF: SessionSubscription = { topic: '$session/resumed', qos: 0 };

/** [MQTT 5.0, 3.6.2.1] Packet Identifier not found. */
const IDENTIFIER_NOT_FOUND = 0x92;

const DONE = Promise.resolve();
const NOBODY = Promise.resolve([]);

/**
 * The persistence of aedes 2.0.0-beta.1 over our sessions. It asks about each step of a client's life
 * in turn, which is where sessions begin and end. Messages are routed to sessions by `keep`, before
 * the library sees them: it finds no subscriptions of absent clients to store for.
 */
export function createLibraryStore(parts: SessionParts, setNumbering: Numbering): object {
  const { list, keeper, retained } = parts;
  return {
    ...connectionSteps(parts),
    ...receivedSteps(parts),
    ...outgoingSteps(parts),
    async setup(library: LibraryBroker) {
      setNumbering(library.id, () => {
        library.counter += 1;
        return library.counter;
      });
    },
    /** Only a publisher of QoS 1 and 2 waits for the disk. */
    storeRetained(packet: RoutedPublish) {
      if (keeper.known(packet)) return DONE;
      const stored = retained.store(packet);
      return packet.qos === 0 ? DONE : stored;
    },
    createRetainedStreamCombi: (filters: readonly string[]) =>
      Readable.from(filters.flatMap((filter) => retained.match(filter).map(copyOf))),
    createRetainedStream: (filter: string) => Readable.from(retained.match(filter).map(copyOf)),
    subscriptionsByTopic: () => NOBODY,
    async countOffline() {
      return { subsCount: 0, clientsCount: list.absent };
    },
    getClientList: (filter: string) =>
      Readable.from([...list.values()].filter(has(filter)).map(({ id }) => id)),
    destroy: async () => undefined,
  };
}

/** What the library asks from CONNECT to the end of a connection. */
function connectionSteps({ list, wills }: SessionParts): object {
  return {
    /** A clean start; the library also calls it for sessions that ended, which we know ourselves. */
    async cleanSubscriptions(client: SessionClient) {
      const session = client.connecting ? list.get(client.id) : undefined;
      if (session !== undefined) list.end(session);
    },
    async subscriptionsByClient({ id }: { readonly id: string }) {
      const session = list.resumable(id);
      if (session === undefined) return [];
      const found = [...session.subscriptions.values()].map((one) => ({ ...one.subscription }));
      if (found.length < 2) return found.length === 0 ? [{ ...SESSION_ITSELF }] : found;
      return found.map((one) => (one.topic === PROTOTYPE ? undisputed(one) : one));
    },
    async addSubscriptions(client: object, subscriptions: readonly SessionSubscription[]) {
      const session = list.of(client);
      if (session !== undefined && !session.ended) await list.subscribe(session, subscriptions);
    },
    async removeSubscriptions(client: object, filters: readonly string[]) {
      const session = list.of(client);
      if (session !== undefined && !session.ended) await list.unsubscribe(session, filters);
    },
    putWill: (client: SessionClient, will: Will) =>
      wills.put(client.id, will, client.sessionExpiryInterval),
    getWill: async ({ id }: { readonly id: string }) => wills.get(id),
    /** Also the one step of every CONNECT that comes after its session was found. */
    async delWill(client: { readonly id: string }) {
      const will = wills.get(client.id);
      const connecting = isConnecting(client);
      // The will of a connection that is gone was published: by now there may be another's.
      if (!connecting && list.get(client.id)?.client?.closed === false) return undefined;
      await wills.delete(client.id);
      if (connecting) list.attach(client);
      return will;
    },
    /** Wills of an earlier run are published by ourselves, after their delay. */
    streamWill: () => Readable.from([]),
  };
}

function isConnecting(client: object): client is SessionClient {
  return 'conn' in client && 'connecting' in client && client.connecting === true;
}

/** What comes from clients at QoS 2, from PUBLISH to PUBREL. */
function receivedSteps({ list, disk }: SessionParts): object {
  return {
    /** Found: the message is here already. When its own first PUBLISH asks, it is not. */
    async incomingGetPacket(client: object, packet: About) {
      const received = list.of(client)?.received.get(packet.messageId ?? 0);
      if (received === undefined || received.packet === packet) throw new Error('no such packet');
      return packet;
    },
    async incomingStorePacket(client: object, packet: About) {
      const received = list.of(client)?.received.get(packet.messageId ?? 0);
      if (received !== undefined) received.packet = undefined;
      received?.settle();
    },
    /** On disk before the PUBCOMP: its client may use the identifier for a new message then. */
    async incomingDelPacket(client: object, { messageId = 0 }: About) {
      const session = list.of(client);
      if (session?.received.delete(messageId) !== true || !session.lasting || session.ended) return;
      await disk.insist([{ kind: 'delete', key: KEYS.received(session.key, messageId) }]);
    },
  };
}

/** What goes to clients at QoS 1 and 2: the pump sends it, the library tells of their answers. */
function outgoingSteps({ list, keeper, stock, pump }: SessionParts): object {
  /** The library's own messages, which nobody has kept before. */
  function keepOwn(packet: RoutedPublish): Promise<void> {
    const kept = keeper.keep(packet, undefined);
    keeper.taken(packet);
    return kept ?? DONE;
  }

  function find(client: object, { messageId }: About): Found | undefined {
    const session = list.of(client);
    const entry = messageId === undefined ? undefined : session?.queue.find(messageId);
    if (session === undefined || entry === undefined) return undefined;
    // What was never sent cannot be answered; an answer to an earlier connection counts.
    return entry.sent || entry.tried ? { session, entry } : undefined;
  }

  return {
    outgoingEnqueue: (_: object, packet: RoutedPublish) => keepOwn(packet),
    outgoingEnqueueCombi: (_: unknown, packet: RoutedPublish) =>
      keeper.taken(packet) ? DONE : keepOwn(packet),
    /** A PUBREC came: the message is the client's, and must not be sent again. */
    async outgoingUpdate(client: object, packet: About) {
      if (packet.cmd !== 'pubrel') return;
      const found = find(client, packet);
      if (found === undefined) packet.reasonCode = IDENTIFIER_NOT_FOUND;
      else await stock.release(found.session, found.entry);
    },
    async outgoingClearMessageId(client: object, packet: About) {
      const found = find(client, packet);
      if (found === undefined) return undefined;
      stock.acknowledge(found.session, found.entry);
      return { messageId: found.entry.id, qos: found.entry.qos };
    },
    /** Called once, behind the CONNACK. */
    outgoingStream(client: SessionClient) {
      const session = list.of(client);
      const there = session?.client === client && !client.closed && !session.ended;
      if (there) pump.begin(session);
      return Readable.from([]);
    },
  };
}

interface Found {
  readonly session: Session;
  readonly entry: Entry;
}

function copyOf(packet: RetainedPacket): object {
  return { cmd: 'publish', ...packet };
}

function has(filter: string): (session: Session) => boolean {
  return ({ subscriptions }) => subscriptions.has(filter);
}

/**
 * The library tells several filters that it restores apart by writing each into `{}` under its name:
 * `__proto__` would become what the object inherits, its fields would come out as filters, and the
 * process would end. The first time it asks, this filter has another name.
 */
function undisputed(subscription: SessionSubscription): SessionSubscription {
  let asked = false;
  const get = () => {
    const name = asked ? PROTOTYPE : `${PROTOTYPE} `;
    asked = true;
    return name;
  };
  return Object.defineProperty({ ...subscription }, 'topic', { get, enumerable: true });
}
