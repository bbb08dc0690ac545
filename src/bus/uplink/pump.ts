import { LedgeError, toLedgeError } from '../../std/error.ts';
import type { DurableOutbox, Lease } from '../../store/outbox.ts';
import type { OutboxDropReason } from '../../store/outbox-class.ts';
import type { Message } from '../bus.ts';
import type { ExternalBus } from '../client.ts';
import type { Connected } from '../client-options.ts';
import { grantedQos } from '../packet.ts';
import { decodeEnvelope } from './envelope.ts';
import { publishBytes } from './packet-size.ts';

/** Payloads on their way at a time: an alarm waits behind so much of a slow link at most. */
const IN_FLIGHT_BYTES_MAX = 1024 * 1024;

/** Reason codes of a PUBACK that would be the same for ever [MQTT 3.4.2.1, 3.7.2]. */
const FINAL_CODES: ReadonlySet<unknown> = new Set([
  0x87, // not authorized
  0x90, // topic name invalid
  0x95, // packet too large
  0x99, // payload format invalid
  0x9a, // retain not supported
  0x9b, // QoS not supported
]);

/** A message that will never go up. */
export interface Refusal {
  readonly message: Message;
  readonly reason: OutboxDropReason;
  readonly class: string;
  readonly error: LedgeError;
}

export interface PumpOptions {
  readonly outbox: DurableOutbox;
  /** Messages that may be on their way now, whatever the broker allows. */
  windowMax(): number;
  /** Told of each message before it is sent. */
  onSend(message: Message): void;
  onRefused(refusal: Refusal): void;
  /** The broker would take this message later: everything is sent again on another connection. */
  onPostponed(error: LedgeError): void;
  onChange(): void;
}

/** Sends what the outbox gives, within what the broker allows. */
export interface Pump {
  /** Sends over this client from now on. */
  start(client: ExternalBus, connected: Connected): void;
  stop(): void;
  /** Something may be there to send. */
  wake(): void;
  /** The one message on its way, where it is only one. */
  readonly only: Lease | undefined;
  readonly inFlight: number;
}

interface Session {
  readonly client: ExternalBus;
  readonly connected: Connected;
}

/** Creates a pump that is stopped. */
export function createPump(options: PumpOptions): Pump {
  const { outbox } = options;
  const flying = new Set<Lease>();
  let bytes = 0;
  let session: Session | undefined;
  let state: 'stopped' | 'sending' = 'stopped';
  /** Messages go out in the order of their leases, whichever body is read first. */
  let turn: Promise<void> = Promise.resolve();

  function pump(): void {
    while (hasRoom()) {
      const lease = outbox.lease();
      if (lease === undefined) return;
      flying.add(lease);
      bytes += lease.entry.bytes;
      turn = turn.then(() => send(lease));
    }
  }

  function landed(lease: Lease): void {
    flying.delete(lease);
    bytes -= lease.entry.bytes;
    options.onChange();
    pump();
  }

  function hasRoom(): boolean {
    if (session === undefined || state === 'stopped') return false;
    const windowMax = Math.min(options.windowMax(), session.connected.inFlightMax);
    return flying.size < windowMax && (flying.size === 0 || bytes < IN_FLIGHT_BYTES_MAX);
  }

  /** Hands a message to the client; resolves before it is acknowledged. */
  async function send(lease: Lease): Promise<void> {
    const body = await lease.body;
    const message = body === undefined ? undefined : messageOf(lease, body);
    // Recalled while its body was read: it comes again.
    if (lease.entry.state !== 'leased' || session === undefined) return landed(lease);
    if (message === undefined) {
      outbox.drop(lease, 'damaged');
      return landed(lease);
    }
    // Where the connection went meanwhile, the client keeps it for the next one.
    void publish(lease, message, session).finally(() => landed(lease));
  }

  async function publish(lease: Lease, message: Message, to: Session): Promise<void> {
    try {
      const fitting = withinLimits(message, to.connected);
      options.onSend(fitting);
      await to.client.publish(fitting);
      outbox.acknowledge(lease);
    } catch (error) {
      settle(lease, message, toLedgeError(error));
    }
  }

  function settle(lease: Lease, message: Message, error: LedgeError): void {
    if (error.code === 'closed') return;
    const tooLarge = error.code === 'payload-too-large';
    const final = FINAL_CODES.has((error.cause as { code?: unknown } | undefined)?.code);
    if (!tooLarge && !final) return options.onPostponed(error);
    const reason = tooLarge ? 'too-large' : 'refused';
    outbox.drop(lease, reason);
    options.onRefused({ message, reason, class: lease.entry.class, error });
  }

  return {
    start(client, connected) {
      session = { client, connected };
      state = 'sending';
      pump();
    },
    stop() {
      state = 'stopped';
    },
    wake: pump,
    get only() {
      const [first] = flying;
      return flying.size === 1 ? first : undefined;
    },
    get inFlight() {
      return flying.size;
    },
  };
}

/** The message of a lease; undefined where its bytes make none. */
function messageOf(lease: Lease, body: Uint8Array): Message | undefined {
  try {
    return withMarks(decodeEnvelope(lease.entry.lane.topic, body), lease);
  } catch {
    return undefined;
  }
}

/** Says of a message that waited that it did, and when it was published [MQTT 3.3.2.3]. */
function withMarks(message: Message, { entry, replayed, expirySeconds }: Lease): Message {
  const { properties } = message;
  const marks = replayed ? { replayed: 'true', ts: String(entry.ts) } : {};
  return {
    ...message,
    properties: {
      ...properties,
      ...(expirySeconds !== undefined && { messageExpiryInterval: expirySeconds }),
      userProperties: { ...properties?.userProperties, ...marks },
    },
  };
}

/** The message as this broker takes it. Throws `payload-too-large`. */
function withinLimits(message: Message, connected: Connected): Message {
  const { packetBytesMax, protocol, qosMax, retainAvailable } = connected;
  const qos = grantedQos(message.qos, qosMax);
  const fitting = { ...message, qos, retain: message.retain && retainAvailable };
  const bytes = publishBytes(fitting, protocol);
  if (packetBytesMax === undefined || bytes <= packetBytesMax) return fitting;
  const { topic } = message;
  const text = `Cannot send "${topic}" up: ${bytes} bytes, the broker takes ${packetBytesMax}`;
  throw new LedgeError('payload-too-large', text, { context: { topic, bytes, packetBytesMax } });
}
