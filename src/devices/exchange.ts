import { randomBytes } from 'node:crypto';
import type { Bus, Message, Subscription } from '../bus/bus.ts';
import { compileTopicPattern } from '../bus/topics.ts';
import { LedgeError } from '../std/error.ts';

/** Where one flow of a node takes its events and sends what became of them. */
export interface FlowTopics {
  readonly node: string;
  readonly flow: string;
  /** Topic patterns with {device}. */
  readonly in: string;
  readonly out: string;
}

/** What came back for one event that was sent. */
export interface Reply {
  readonly event: number;
  readonly kind: 'result' | 'dead-letter';
  /** The published JSON: `{id, device, ts, result, ...}`, or of a dead letter `{error, ...}`. */
  readonly body: Readonly<Record<string, unknown>>;
  /** From publishing to this reply. */
  readonly latencyMs: number;
}

/** A flow's own report of events it gave up, gathered by reason. */
export interface DropReport {
  readonly reason: string;
  readonly count: number;
  readonly devices: readonly string[];
}

export interface ExchangeListeners {
  onReply(reply: Reply): void;
  onDrop(report: DropReport): void;
}

/** Sends events to a flow and matches what comes back, by MQTT 5's correlation data. */
export interface Exchange extends AsyncDisposable {
  /** Publishes an event; resolves with its number when the broker has it. */
  send(event: SentEvent): Promise<number>;
}

export interface SentEvent {
  readonly device: string;
  readonly payload: Uint8Array;
  readonly contentType: string | undefined;
}

/** Bytes that tell this exchange's events from those of others on the same flow. */
const MARK_BYTES = 8;

/**
 * Subscribes to everything a flow says of its events. Replies to events of other senders are left
 * out; reports of drops cannot be told apart and are given whole.
 */
export async function openExchange(
  bus: Bus,
  topics: FlowTopics,
  listeners: ExchangeListeners,
): Promise<Exchange> {
  const mark = randomBytes(MARK_BYTES);
  const sentAtMs: number[] = [];
  const input = compileTopicPattern(topics.in);
  const output = compileTopicPattern(topics.out);
  const base = `ledge/${topics.node}/${topics.flow}`;
  const [dropped, deadLetter] = [`${base}/dropped`, `${base}/dead-letter`];

  function receive(message: Message): void {
    const body = parseObject(message.payload);
    if (body === undefined) return;
    if (message.topic === dropped) return listeners.onDrop(dropReport(body));
    const event = eventOf(message.properties?.correlationData);
    if (event === undefined) return;
    const latencyMs = performance.now() - (sentAtMs[event] as number);
    const kind = message.topic === deadLetter ? 'dead-letter' : 'result';
    listeners.onReply({ event, kind, body, latencyMs });
  }

  function eventOf(correlation: Uint8Array | undefined): number | undefined {
    if (correlation?.byteLength !== MARK_BYTES + 4) return undefined;
    const bytes = Buffer.from(correlation);
    if (!bytes.subarray(0, MARK_BYTES).equals(mark)) return undefined;
    const event = bytes.readUInt32LE(MARK_BYTES);
    return event < sentAtMs.length ? event : undefined;
  }

  // A wildcard that covers the reports must not be doubled: some brokers then send them twice.
  const filters = [output.filter, ...[dropped, deadLetter].filter((topic) => !covers(topic))];
  function covers(topic: string): boolean {
    return output.deviceOf(topic) !== undefined;
  }
  const subscriptions: Subscription[] = [];
  for (const filter of filters) {
    const subscription = await bus.subscribe(filter, { qos: 1 }, (delivery) => {
      delivery.accept();
      receive(delivery.message);
      delivery.settle();
    });
    subscriptions.push(subscription);
  }

  return {
    async send({ device, payload, contentType }) {
      const topic = input.topicOf(device);
      if (topic === undefined) {
        const message = `Cannot publish on ${topics.in}: it has wildcards beside the device`;
        throw new LedgeError('unsupported', message);
      }
      const event = sentAtMs.length;
      sentAtMs.push(performance.now());
      const correlationData = Buffer.alloc(MARK_BYTES + 4, mark);
      correlationData.writeUInt32LE(event, MARK_BYTES);
      const properties = { correlationData, ...(contentType !== undefined && { contentType }) };
      await bus.publish({ topic, payload, qos: 1, retain: false, properties });
      return event;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(subscriptions.map((subscription) => subscription.close()));
    },
  };
}

/** A payload as a JSON object; undefined where it is none, as another sender's may be. */
export function parseObject(payload: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  try {
    const body: unknown = JSON.parse(Buffer.from(payload).toString('utf8'));
    if (typeof body === 'object' && body !== null) return body as Record<string, unknown>;
  } catch {
    // Another sender's message on the same topic.
  }
  return undefined;
}

function dropReport(body: Readonly<Record<string, unknown>>): DropReport {
  const { reason, count, events } = body;
  const named: unknown[] = Array.isArray(events) ? events : [];
  return {
    reason: typeof reason === 'string' ? reason : 'unknown',
    count: typeof count === 'number' ? count : named.length,
    devices: named.flatMap((event) => {
      const device = (event as { device?: unknown } | null)?.device;
      return typeof device === 'string' ? [device] : [];
    }),
  };
}
