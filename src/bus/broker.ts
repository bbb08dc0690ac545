import type { Server as HttpServer } from 'node:http';
import type { Duplex } from 'node:stream';
import { Aedes, type AedesOptions, type Client } from 'aedes';
import { type Clock, systemClock } from '../std/clock.ts';
import { LedgeError } from '../std/error.ts';
import type { Store } from '../store/store.ts';
import type { Access } from './access/access.ts';
import { keepGrantedOnly } from './access/broker-hooks.ts';
import { createDoor, type Door } from './access/door.ts';
import { type BrokerLimits, DEFAULT_LIMITS } from './access/limits.ts';
import { type Peer, peerOf } from './access/peer.ts';
import type { DoorClient } from './access/visitor.ts';
import { boundBacklog } from './backlog.ts';
import type { Bus, BusState } from './bus.ts';
import { type BrokerClient, type PublishWay, receivePublish } from './client-publish.ts';
import { createConnections } from './connections.ts';
import { drain } from './drain.ts';
import { type Entrances, openEntrances, type TlsEntrance } from './entrances.ts';
import { gatherWrites } from './gather.ts';
import { seeOff } from './guard/farewell.ts';
import type { GateLimits } from './guard/gate.ts';
import { createGuard, type Guard } from './guard/guard.ts';
import { INBOUND_ALIASES_MAX } from './guard/inbound-aliases.ts';
import type { InnerClient } from './guard/inner-client.ts';
import { createIntake, type Intake, LocalDelivery } from './intake.ts';
import { type OwnWay, publishLeftWill, publishOwn } from './own-publish.ts';
import { grantedQos, messageOf } from './packet.ts';
import type { SessionClient } from './persistence/session.ts';
import { SESSION_LIMITS, type SessionLimits } from './persistence/session-limits.ts';
import { openSessions, type SessionCounts, type Sessions } from './persistence/sessions.ts';
import { createReadAhead } from './read-ahead.ts';
import { retainedFor } from './retained.ts';
import { createRouter } from './router.ts';
import { checkFilter, TOPIC_BYTES_MAX } from './topics.ts';
import { acceptWebSockets, type WebSocketOptions } from './websocket.ts';

/** A camera's largest still frame stays well below; more would only fill memory. */
export const PAYLOAD_BYTES_MAX = 16 * 1024 * 1024;
/** Devices of one site: an idle connection costs some 20 KiB. */
export const CONNECTIONS_MAX = 2_000;
/** Unsent bytes per client: one largest payload may wait while another is written. */
const BACKLOG_BYTES_MAX = 16 * 1024 * 1024;
/** Topic, properties and header beside the payload of the largest packet. */
const PACKET_OVERHEAD_BYTES_MAX = 2 * TOPIC_BYTES_MAX;
/** How long `close` waits for clients to take what was written for them: a restart must stay short. */
const DRAIN_MS_MAX = 1_000;
/** And how long for them to read that the broker shuts down. */
const FAREWELL_MS_MAX = 250;

/** How the node's own broker is opened. */
export interface BrokerOptions {
  /** A loopback address; any, where `access` has users. Default 127.0.0.1. */
  readonly host?: string;
  /** Default 1883; 0 takes any free port. */
  readonly port?: number;
  /** A larger packet closes its connection. Default 16 MiB. */
  readonly payloadBytesMax?: number;
  /** TCP and WebSocket together; one more is closed at once. Default 2,000. */
  readonly connectionsMax?: number;
  /** Users and rules; left out: every client may do everything. The caller closes it after the broker. */
  readonly access?: Access;
  /** Default: as in access/limits.ts. */
  readonly limits?: Partial<BrokerLimits>;
  /** A second listener, with TLS. */
  readonly tls?: TlsEntrance;
  /** Keeps sessions, retained messages and wills over restarts. The caller closes it after the broker. */
  readonly store?: Store;
  /** What is kept for clients, at most. Default: as in persistence/session-limits.ts. */
  readonly sessions?: Partial<SessionLimits>;
  /** By which sessions and their messages end. Default: the system's. */
  readonly clock?: Clock;
  /**
   * `later`: the port is taken, and clients that connect wait until `start` is called, so that the node
   * can subscribe before their first message. Default `now`.
   */
  readonly start?: 'now' | 'later';
  /** Told of a connection that was refused or closed for what it sent. */
  readonly onProblem?: (problem: LedgeError) => void;
}

/** The node's own broker: a bus without a network in between. */
export interface EmbeddedBus extends Bus {
  readonly kind: 'embedded';
  readonly host: string;
  readonly port: number;
  /** Where clients connect with TLS, if they can. */
  readonly tlsAddress: string | undefined;
  /** Clients that are connected now. */
  readonly connections: number;
  /** What is kept for clients, and what of it was lost. */
  readonly sessions: SessionCounts;
  /** Lets clients in, where the broker was opened with `start: 'later'`. Idempotent. */
  start(): Promise<void>;
  /**
   * Takes no further message of QoS 1 and 2 from a client: without an answer it comes again, to the
   * next life of the node. What the node publishes still goes out. For the time before a close, in which
   * nobody is there any more to take an event.
   */
  hold(): void;
  /** Takes MQTT over WebSocket from a web server; returns how to stop taking more. */
  attachWebSocket(server: HttpServer, options?: WebSocketOptions): () => void;
}

/**
 * Opens the broker and its TCP listener. Throws `address-in-use` where the port is taken and
 * `config-invalid` for a host beyond loopback. Close it with `await using` or its asyncDispose.
 */
export async function openBroker(options: BrokerOptions = {}): Promise<EmbeddedBus> {
  const { host = '127.0.0.1', port = 1883 } = options;
  const intake = createIntake();
  const inner = await openAedes(options, intake);
  const entrances = await openEntrances({
    ...{ host, port, tls: options.tls, access: options.access },
    ...{ door: inner.door, attach: inner.attach },
    handshakeTimeoutMs: inner.limits.handshakeTimeoutMs,
  }).catch(async (error: unknown) => {
    await closeAedes(inner.aedes);
    await inner.sessions[Symbol.asyncDispose]();
    throw error;
  });
  const stops: Array<() => void> = [entrances.stop, inner.door.close];
  if (options.start !== 'later') inner.begin();
  const { payloadBytesMax = PAYLOAD_BYTES_MAX } = options;
  return createBus(
    { ...inner, access: options.access, intake, payloadBytesMax, stops },
    { host, ...entrances },
  );
}

interface BusParts extends OpenedAedes {
  readonly access: Access | undefined;
  readonly intake: Intake;
  readonly payloadBytesMax: number;
  /** How to stop taking new connections. */
  readonly stops: Array<() => void>;
}

function createBus(parts: BusParts, place: Entrances & { readonly host: string }): EmbeddedBus {
  const { aedes, attach, begin, connections, door, intake, payloadBytesMax, stops } = parts;
  const { sessions } = parts;
  const way: OwnWay = { aedes, intake, sessions, payloadBytesMax };
  const { host, port, address, tlsAddress } = place;
  const listeners = new Set<(state: BusState) => void>();
  let closing: Promise<void> | undefined;

  async function close(): Promise<void> {
    for (const stop of stops) stop();
    await drain(connections, DRAIN_MS_MAX);
    await closeAedes(aedes);
    await seeOff(connections, FAREWELL_MS_MAX);
    await sessions[Symbol.asyncDispose]();
    for (const tell of listeners) tell('offline');
  }

  return {
    ...{ host, port, address, tlsAddress },
    kind: 'embedded',
    get state() {
      return closing === undefined ? 'online' : 'offline';
    },
    get connections() {
      return connections.size;
    },
    get sessions() {
      return sessions.counts();
    },
    start: async () => begin(),
    hold: parts.hold,
    onState(tell) {
      listeners.add(tell);
      return () => listeners.delete(tell);
    },
    publish(message) {
      if (closing !== undefined) return Promise.reject(closedError('publish', message.topic));
      return publishOwn(way, message);
    },
    async subscribe(filter, how, handler) {
      checkFilter(filter);
      if (closing !== undefined) throw closedError('subscribe', filter);
      const stop = intake.add(filter, how.qos, handler);
      for (const packet of retainedFor(sessions, filter)) {
        const qos = grantedQos(packet.qos, how.qos);
        handler(new LocalDelivery(messageOf(packet, { qos, retain: true }), nothing));
      }
      return { close: async () => stop() };
    },
    attachWebSocket(server, how = {}) {
      const frameBytesMax = payloadBytesMax + PACKET_OVERHEAD_BYTES_MAX;
      const stop = acceptWebSockets(server, {
        ...how,
        frameBytesMax,
        guarded: () => parts.access?.guarded ?? false,
        accept(stream, request) {
          const peer = peerOf(request.socket);
          if (door.enter(stream, peer)) attach(stream, peer);
          else stream.destroy();
        },
      });
      stops.push(stop);
      return stop;
    },
    [Symbol.asyncDispose]() {
      closing ??= close();
      return closing;
    },
  };
}

interface OpenedAedes {
  readonly aedes: Aedes;
  readonly sessions: Sessions;
  readonly door: Door;
  readonly limits: BrokerLimits;
  /** The one place where a client's bytes come in. */
  readonly attach: (stream: Duplex, peer: Peer) => void;
  /** Lets in the connections that wait, and every later one at once. */
  readonly begin: () => void;
  readonly hold: () => void;
  readonly connections: ReadonlySet<Duplex>;
}

async function openAedes(options: BrokerOptions, intake: Intake): Promise<OpenedAedes> {
  const { payloadBytesMax = PAYLOAD_BYTES_MAX, connectionsMax = CONNECTIONS_MAX } = options;
  // A node publishes what it is told: within a delivery that would deliver within itself, without end.
  const onProblem = (problem: LedgeError) => queueMicrotask(() => options.onProblem?.(problem));
  const tell: TellProblem = (code, message, cause) =>
    onProblem(new LedgeError(code, message, { cause }));
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const door = createDoor({
    ...{ access: options.access, limits, payloadBytesMax, clock: systemClock },
    tell: onProblem,
  });
  const router = createRouter();
  const fits = boundBacklog({
    bytesMax: BACKLOG_BYTES_MAX,
    onOverrun: (client) =>
      tell('overflow', `Closed the connection of ${nameOf(client)}: it reads too slowly`),
  });
  const packetBytesMax = payloadBytesMax + PACKET_OVERHEAD_BYTES_MAX;
  const sessions = await openSessions({
    ...{ store: options.store, limits: options.sessions, clock: options.clock ?? systemClock },
    tell,
    publishWill: (will) => publishLeftWill(aedes, way, will),
    mayReceive: (client, topic) => door.mayReceive(client as DoorClient & SessionClient, topic),
  });
  let held = false;
  const order = { turns: createIntake(), reading: createReadAhead() };
  const way: PublishWay = { sessions, intake, door, ...order, held: () => held };
  const { expirySecondsMax, sessionsMax } = { ...SESSION_LIMITS, ...options.sessions };
  const aedes = await Aedes.createBroker({
    mq: router,
    persistence: sessions.library,
    maximumPacketSize: packetBytesMax,
    receiveMaximum: limits.inflightMax,
    topicAliasMaximum: INBOUND_ALIASES_MAX,
    responseInformation: responseTopicOf,
    sessionExpiryIntervalLimit: expirySecondsMax,
    pendingSessionsLimit: sessionsMax,
    connectTimeout: limits.connectTimeoutMs,
    ...hooksOf({ door, way, fits, answered: (...told) => guard.answered(...told) }),
  });
  const guard = createGuard(aedes, {
    router,
    limits: gateLimits(limits, packetBytesMax),
    onOversize: (client, topic) =>
      tell('overflow', `Left out a message on "${topic}": ${nameOf(client)} takes none as large`),
  });
  keepGrantedOnly(aedes, door);
  aedes.on('unsubscribe', (filters, client) => door.unsubscribed(asDoorClient(client), filters));
  tellOfClosed(aedes, tell);
  const connections = createConnections({
    connectionsMax,
    admit(stream, peer) {
      const client = aedes.handle(gatherWrites(stream));
      door.bind(asDoorClient(client), peer);
      guard.attach(client as unknown as InnerClient);
    },
    onFull: () => tell('overflow', `Refused a connection: ${connectionsMax} clients are connected`),
  });

  return {
    ...{ aedes, sessions, door, limits, attach: connections.attach, connections: connections.open },
    hold() {
      held = true;
    },
    begin() {
      connections.begin();
      sessions.begin();
    },
  };
}

function gateLimits(limits: BrokerLimits, packetBytesMax: number): GateLimits {
  return {
    packetBytesMax,
    receiveMaximum: limits.inflightMax,
    keepAliveSecondsMax: limits.keepAliveSecondsMax,
    handshakeMsMax: limits.connectTimeoutMs,
    subscriptionsMax: limits.subscriptionsMax,
  };
}

interface HookParts {
  readonly door: Door;
  readonly way: PublishWay;
  readonly fits: ReturnType<typeof boundBacklog>;
  readonly answered: Guard['answered'];
}

/** What the library asks before it lets a client do anything. */
function hooksOf({ door, way, fits, answered }: HookParts): Partial<AedesOptions> {
  return {
    authenticate: (client, username, password, done) =>
      door.logIn(asDoorClient(client), { username, password: password?.toString() }, done),
    authorizePublish: (client, packet, done) => {
      const from = client === null ? null : asDoorClient(client);
      const answer = (error?: Error | null) => {
        answered(client, packet, error);
        done(error);
      };
      receivePublish(way, { client: from, packet, done: answer });
    },
    authorizeSubscribe: (client, subscription, done) =>
      done(null, door.maySubscribe(asDoorClient(client), subscription) ? subscription : null),
    authorizeForward: (client, packet) => {
      const to = asDoorClient(client);
      const mine = way.sessions.forward(to, packet) !== null && door.mayReceive(to, packet.topic);
      return mine && fits(client, packet) ? packet : null;
    },
  };
}

/** What the broker tells of: a connection, a loss, something damaged on disk. */
type ProblemCode = 'closed' | 'overflow' | 'value-invalid';

type TellProblem = (code: ProblemCode, message: string, cause?: unknown) => void;

/** Tells of connections that the library closes for what came on them. */
function tellOfClosed(aedes: Aedes, tell: TellProblem): void {
  aedes.on('clientError', (client, cause) => {
    // The door tells of refused logins itself, and not of each.
    if ('returnCode' in cause) return;
    tell('closed', `Closed the connection of ${nameOf(client)}: ${cause.message}`, cause);
  });
  aedes.on('connectionError', (_, cause) =>
    tell('closed', `Closed a connection before MQTT began: ${cause.message}`, cause),
  );
}

function closeAedes(aedes: Aedes): Promise<void> {
  return new Promise((resolve) => aedes.close(resolve));
}

/** [MQTT 5.0, 3.2.2.3.15] Where a client that asks may have answers sent to. */
function responseTopicOf({ id }: Client): string | undefined {
  return /[+#/]/.test(id) ? undefined : `reply/${id}`;
}

function closedError(action: 'publish' | 'subscribe', what: string): LedgeError {
  const text = action === 'publish' ? `publish on "${what}"` : `subscribe to "${what}"`;
  return new LedgeError('closed', `Cannot ${text}: the broker is closed`);
}

/** The library's types leave out what the door and the sessions read of a client. */
function asDoorClient(client: Client): BrokerClient {
  return client as unknown as BrokerClient;
}

function nameOf(client: object): string {
  const { id } = client as { readonly id?: string | null };
  return id === undefined || id === null ? 'a client' : `client "${id}"`;
}

function nothing(): void {}
