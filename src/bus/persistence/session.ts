import type { Duplex } from 'node:stream';
import type { Entry, EntryQueue } from './entry-queue.ts';

/** A connection, as far as the sessions look at the library's client. */
export interface SessionClient {
  readonly id: string;
  readonly version: number | null;
  readonly conn: Duplex;
  readonly connecting: boolean;
  readonly closed: boolean;
  /** Whether the library keeps nothing of this session in its store. */
  clean: boolean;
  /** Seconds; 0: the session ends with the connection. */
  readonly sessionExpiryInterval: number;
  /** Bytes of a packet [MQTT-3.1.2-24]. */
  readonly maximumPacketSize?: number;
  /** [MQTT-3.3.4-9] */
  readonly receiveMaximum?: number;
  readonly subscriptions: Readonly<Record<string, unknown>>;
}

/** A subscription as a client asked for it and got it. */
export interface SessionSubscription {
  readonly topic: string;
  readonly qos: 0 | 1 | 2;
  readonly rh?: number | undefined;
  readonly rap?: boolean | undefined;
  readonly nl?: boolean | undefined;
  readonly subscriptionIdentifier?: number | undefined;
}

/** A subscription in the index of all sessions. */
export interface Placed {
  readonly session: Session;
  readonly subscription: SessionSubscription;
}

/** A message of QoS 2 that came in and was not released. */
export interface Received {
  /** The packet itself, until the library has asked about it. */
  packet: object | undefined;
  /** Resolves when the message has its place in the node. */
  settled: Promise<void>;
  settle: () => void;
}

/** What the broker knows of one client id, connected or not. */
export interface Session {
  readonly id: string;
  readonly key: string;
  readonly queue: EntryQueue;
  readonly subscriptions: Map<string, { subscription: SessionSubscription; take: () => void }>;
  readonly received: Map<number, Received>;
  /** Whether its state is written to disk: it outlives its connection. */
  readonly lasting: boolean;
  expirySeconds: number;
  /** When it ends, while no client is connected. */
  endsAt: number | undefined;
  callOffEnd: () => void;
  client: SessionClient | undefined;
  /** Set once the connection has its CONNACK: messages go out. */
  live: boolean;
  /** The next entry to send; undefined: all were sent. */
  cursor: Entry | undefined;
  /** Entries that were sent on this connection, and not acknowledged to the end. */
  inFlight: number;
  /** The last entry that was ever sent. */
  triedThrough: number;
  /** Has its turn to send coming. */
  awake: boolean;
  /** Waits for its connection or for the disk. */
  held: boolean;
  /** Told of this loss already, until there is room again. */
  toldFull: boolean;
  ended: boolean;
}

/** A session of a client that was not known. */
export function createSession(
  fields: Pick<Session, 'id' | 'key' | 'queue' | 'lasting' | 'expirySeconds'>,
): Session {
  return {
    ...fields,
    subscriptions: new Map(),
    received: new Map(),
    endsAt: undefined,
    callOffEnd: () => undefined,
    client: undefined,
    live: false,
    cursor: undefined,
    inFlight: 0,
    triedThrough: -1,
    awake: false,
    held: false,
    toldFull: false,
    ended: false,
  };
}

/** What is open of a received message, with how to settle it. */
export function createReceived(packet: object | undefined): Received {
  let settle: () => void = () => undefined;
  const settled = new Promise<void>((resolve) => {
    settle = resolve;
  });
  return { packet, settled, settle };
}
