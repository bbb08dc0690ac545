import { type IConnackPacket, MqttClient } from 'mqtt';
import { LedgeError } from '../std/error.ts';
import { AckGate } from './ack-gate.ts';
import { createAttempts } from './attempts.ts';
import { type BrokerAddress, parseBrokerAddress } from './broker-address.ts';
import type { Bus, Message } from './bus.ts';
import { type ClientOptions, type Connected, mqttOptions } from './client-options.ts';
import { gatherWrites } from './gather.ts';
import { createInbound, type Inbound, type InboundPublish } from './inbound.ts';
import { createOutbox, type Outbox } from './outbox.ts';
import { fieldsOf } from './packet.ts';
import { createPresence, type Presence } from './presence.ts';
import { createStallWatch, type StallWatch } from './stall-watch.ts';
import {
  alikeBatches,
  createSubscriptions,
  type FilterOutcome,
  type FilterRequest,
  type Subscriptions,
} from './subscriptions.ts';
import { checkFilter, checkTopic } from './topics.ts';

/** Messages for a broker that is away: minutes of results, hours of states. */
const QUEUE_MESSAGES_MAX = 10_000;
/** Their payloads: small beside the 1 GiB of the smallest board. */
const QUEUE_BYTES_MAX = 64 * 1024 * 1024;
/** Published messages on their way at a time; a broker's own limit may be lower. */
const IN_FLIGHT_MAX = 64;
/**
 * The same over MQTT 3.1.1, where a broker cannot tell its limit: mosquitto's is 20, and over it 2.0.11
 * answers a QoS 2 message with a PUBREC that reads as taken, hangs up and has lost it.
 */
const IN_FLIGHT_MAX_V4 = 20;
/** How long closing waits for acknowledgements, and again for the connection to end. */
const CLOSE_MS_MAX = 1_000;

export type { ClientOptions } from './client-options.ts';

/** The node as a client of another broker. */
export interface ExternalBus extends Bus {
  readonly kind: 'external';
  /** The version in use: 5, or 3.1.1 where the broker refuses 5; undefined while offline. */
  readonly protocol: '5' | '3.1.1' | undefined;
  /** Connects; resolves after the first attempt, whatever came of it. Idempotent. */
  start(): Promise<void>;
  /**
   * Takes no further message and ends no subscription at the broker: its session keeps what comes for
   * the next life of the node. What the node publishes still goes out. For the time before a close.
   */
  hold(): void;
}

/**
 * Opens a client that stays connected for its whole life. Resolves after the first attempt, whatever
 * came of it: a broker that is not up yet is no error. Throws `config-invalid` for a URL it cannot use.
 */
export async function openClient(options: ClientOptions): Promise<ExternalBus> {
  const { ca, certificate } = options;
  const place = parseBrokerAddress(options.url, {
    ...(ca !== undefined && { ca }),
    ...certificate,
  });
  const inbound = createInbound();
  const { mqtt, link } = createLink(options, place, inbound);
  const outbox = createOutbox({
    messagesMax: options.queueMessagesMax ?? QUEUE_MESSAGES_MAX,
    bytesMax: options.queueBytesMax ?? QUEUE_BYTES_MAX,
    send: (message, done) => send(mqtt, message, done),
  });
  const role = options.role ?? 'client';
  const subscriptions = createSubscriptions(inbound, {
    subscribe: (filters) => subscribe(mqtt, filters, role),
    unsubscribe: (filter) => new Promise((resolve) => mqtt.unsubscribe(filter, () => resolve())),
    onRefused: (filter) => {
      const text = `Cannot subscribe to "${filter}": ${place.address} refuses it`;
      options.onProblem?.(new LedgeError('unavailable', text, { context: { filter } }));
    },
  });
  const presence = createPresence();
  const stall = createStallWatch({
    ackSeconds: options.ackSeconds,
    inFlight: () => ({ messages: outbox.inFlight, bytes: outbox.inFlightBytes }),
    cut: (error) => link.gate?.destroy(error),
  });
  const parts: Parts = {
    options,
    place,
    mqtt,
    link,
    inbound,
    outbox,
    subscriptions,
    presence,
    stall,
  };
  followConnection(parts);
  const bus = createBus(parts);
  if (options.start !== 'later') await bus.start();
  return bus;
}

interface Parts {
  readonly options: ClientOptions;
  readonly place: BrokerAddress;
  readonly mqtt: MqttClient;
  readonly link: Link;
  readonly inbound: Inbound;
  readonly outbox: Outbox;
  readonly subscriptions: Subscriptions;
  readonly presence: Presence;
  readonly stall: StallWatch;
}

/** Subscribes again and sends what waits on every new connection, and keeps it when one ends. */
function followConnection(parts: Parts): void {
  const { options, mqtt, link, inbound, outbox, subscriptions, presence, stall } = parts;
  mqtt.on('connect', async (connack) => {
    if (!connack.sessionPresent) inbound.forget();
    const { gate } = link;
    await subscriptions.restore();
    if (gate !== link.gate || !mqtt.connected || mqtt.disconnecting) return;
    const connected = connectedBy(connack, mqtt.options.protocolVersion === 5 ? '5' : '3.1.1');
    options.onConnected?.(connected);
    presence.change('online');
    outbox.open(connected.inFlightMax);
  });
  mqtt.on('packetreceive', ({ cmd }) => stall.hear(cmd));
  mqtt.on('close', () => {
    outbox.pause();
    subscriptions.pause();
    presence.change('offline');
  });
}

function connectedBy(connack: IConnackPacket, protocol: '5' | '3.1.1'): Connected {
  const { sessionPresent, properties } = connack;
  const ours = protocol === '5' ? IN_FLIGHT_MAX : IN_FLIGHT_MAX_V4;
  const qosMax = properties?.maximumQoS;
  return {
    session: sessionPresent ? 'resumed' : 'new',
    protocol,
    inFlightMax: Math.min(ours, properties?.receiveMaximum ?? ours),
    packetBytesMax: properties?.maximumPacketSize,
    qosMax: qosMax === 0 || qosMax === 1 ? qosMax : 2,
    retainAvailable: properties?.retainAvailable ?? true,
  };
}

function createBus(parts: Parts): ExternalBus {
  const { place, mqtt, link, outbox, subscriptions, presence } = parts;
  let started: Promise<void> | undefined;
  let closing: Promise<void> | undefined;

  function connect(): Promise<void> {
    return new Promise((resolve) => {
      const stop = presence.listen(done);
      function done(): void {
        stop();
        link.onFailed = () => {};
        resolve();
      }
      link.onFailed = done;
      mqtt.connect();
    });
  }

  return {
    kind: 'external',
    address: place.address,
    get state() {
      return presence.state;
    },
    get protocol() {
      if (presence.state === 'offline') return undefined;
      return mqtt.options.protocolVersion === 5 ? '5' : '3.1.1';
    },
    start() {
      started ??= closing ?? connect();
      return started;
    },
    hold() {
      parts.inbound.hold();
      subscriptions.hold();
    },
    onState: presence.listen,
    async publish(message) {
      checkTopic(message.topic);
      if (closing !== undefined) throw closedError(`publish on "${message.topic}"`);
      await outbox.push(message);
    },
    async subscribe(filter, { qos }, handler) {
      checkFilter(filter);
      if (closing !== undefined) throw closedError(`subscribe to "${filter}"`);
      return subscriptions.add(filter, qos, handler);
    },
    [Symbol.asyncDispose]() {
      closing ??= close(parts);
      return closing;
    },
  };
}

function closedError(action: string): LedgeError {
  return new LedgeError('closed', `Cannot ${action}: the client is closed`);
}

/** What is known of the present connection, or of the last one. */
interface Link {
  gate: AckGate | undefined;
  /** The code of the broker's CONNACK on this connection. */
  connackCode: number | undefined;
  error: Error | undefined;
  /** Whether a message went one way or the other. */
  fruitful: boolean;
  /** What was told last, so that it is told once. */
  told: string | undefined;
  /** Called when an attempt has failed and the next one waits. */
  onFailed: () => void;
}

function createLink(
  options: ClientOptions,
  place: BrokerAddress,
  inbound: Inbound,
): { readonly mqtt: MqttClient; readonly link: Link } {
  const attempts = createAttempts(Math.random, {
    only: options.protocol,
    backoffMsMax: options.backoffMsMax,
  });
  const link: Link = {
    gate: undefined,
    connackCode: undefined,
    error: undefined,
    fruitful: false,
    told: undefined,
    onFailed: () => {},
  };
  const onClosed = (gate: AckGate, error: Error | null) => {
    if (gate !== link.gate) return;
    link.error ??= error ?? undefined;
    const { connackCode } = link;
    const { fruitful } = link;
    const next = attempts.after({ opened: gate.opened, connackCode, fruitful });
    // The library reads both when it sets up the next attempt, which follows this.
    mqtt.options.reconnectPeriod = next.delayMs;
    mqtt.options.protocolVersion = next.version;
    if (next.reason === 'fallback') return;
    if (next.reason === 'credentials') link.told = undefined;
    if (!mqtt.disconnecting) tellProblem(options, place, link);
    link.onFailed();
  };
  const openStream = () => {
    const gate = new AckGate(gatherWrites(place.open()), { openEvent: place.openEvent, onClosed });
    link.gate = gate;
    link.connackCode = undefined;
    link.error = undefined;
    link.fruitful = false;
    inbound.connect(gate);
    return gate;
  };
  const mqtt = new MqttClient(openStream, mqttOptions(options, place));
  mqtt.on('packetreceive', (packet) => {
    if (FRUITFUL.has(packet.cmd)) link.fruitful = true;
    if (packet.cmd === 'publish') {
      inbound.take(packet as InboundPublish);
    } else if (packet.cmd === 'pubrel') {
      if (packet.messageId !== undefined) inbound.release(packet.messageId);
    } else if (packet.cmd === 'connack') {
      link.connackCode = packet.reasonCode ?? packet.returnCode ?? 0;
      if (link.connackCode === 0) link.told = undefined;
    }
  });
  mqtt.on('error', (error) => {
    link.error ??= error;
    // After an error the bytes of this connection cannot be trusted to be in step.
    link.gate?.destroy();
  });
  return { mqtt, link };
}

function tellProblem(options: ClientOptions, place: BrokerAddress, link: Link): void {
  const { connackCode, error } = link;
  const code = error !== undefined && 'code' in error ? String(error.code) : error?.message;
  const why =
    connackCode === 0
      ? error instanceof LedgeError
        ? error.message
        : 'the connection ended'
      : connackCode === undefined
        ? (code ?? 'it closed the connection')
        : `it refuses the connection (code ${connackCode})`;
  if (why === link.told) return;
  link.told = why;
  const message = `Cannot reach the broker ${place.address}: ${why}; trying again`;
  options.onProblem?.(
    new LedgeError('unavailable', message, {
      cause: error,
      retriable: true,
      context: { why, accepted: connackCode === 0 },
    }),
  );
}

/** Packets that a connection is for: one that brought none counts as a failure. */
const FRUITFUL: ReadonlySet<string> = new Set(['publish', 'puback', 'pubcomp', 'pingresp']);

/** A PUBREL that a broker does not know: it had the message, and has forgotten the exchange. */
const PACKET_ID_UNKNOWN = 0x92;

function send(mqtt: MqttClient, message: Message, done: (error?: LedgeError) => void): void {
  const { topic, payload, qos, retain, properties } = fieldsOf(message);
  const bytesMax = mqtt.serverProperties?.maximumPacketSize ?? Number.POSITIVE_INFINITY;
  if (payload.length + 2 * topic.length > bytesMax) {
    const text = `Cannot publish on "${topic}": the broker takes packets of ${bytesMax} bytes`;
    done(new LedgeError('payload-too-large', text, { context: { topic, bytesMax } }));
    return;
  }
  const how = { qos, retain, ...(properties === undefined ? {} : { properties }) };
  mqtt.publish(topic, payload, how, (cause) => {
    const code = cause !== undefined && cause !== null && 'code' in cause ? cause.code : undefined;
    if (!cause || code === PACKET_ID_UNKNOWN) {
      done();
      return;
    }
    const text = `Cannot publish on "${topic}": the broker refuses it (${cause.message})`;
    done(new LedgeError('unavailable', text, { cause, context: { topic } }));
  });
}

async function subscribe(
  mqtt: MqttClient,
  requests: readonly FilterRequest[],
  role: 'client' | 'bridge',
): Promise<readonly FilterOutcome[]> {
  const bridge = role === 'bridge';
  const outcomes = new Map<FilterRequest, FilterOutcome>();
  const packets: Promise<void>[] = [];
  for (const batch of alikeBatches(requests)) {
    const first = batch[0];
    if (first === undefined) continue;
    const filters = batch.map(({ filter }) => filter);
    const rh = first.retained === 'send' ? 0 : 1;
    const how = { qos: first.qos, nl: bridge, rap: bridge, rh };
    const answered = new Promise<void>((resolve) => {
      mqtt.subscribe(filters, how, (error, _, suback) => {
        for (const [at, request] of batch.entries()) {
          const code = suback?.granted[at];
          const refused = typeof code === 'number' && code >= 0x80;
          const missing = error !== null && error !== undefined && code === undefined;
          outcomes.set(request, refused ? 'refused' : missing ? 'lost' : 'granted');
        }
        resolve();
      });
    });
    packets.push(answered);
  }
  await Promise.all(packets);
  return requests.map((request) => outcomes.get(request) ?? 'lost');
}

async function close({ mqtt, outbox, link, presence, stall }: Parts): Promise<void> {
  const online = presence.state === 'online';
  if (link.gate === undefined) {
    outbox.close();
    return;
  }
  stall.close();
  if (online) await within(CLOSE_MS_MAX, outbox.idle());
  const unanswered = outbox.inFlight > 0;
  outbox.close();
  // Without a DISCONNECT the broker publishes the last will: right where it never answered.
  const ended = new Promise<void>((resolve) => {
    mqtt.end(!online || unanswered, {}, () => resolve());
  });
  await within(CLOSE_MS_MAX, ended);
  link.gate?.destroy();
}

async function within(msMax: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, msMax);
  });
  await Promise.race([work, over]);
  clearTimeout(timer);
}
