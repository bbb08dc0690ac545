import type { Bus, Message, MessageProperties } from '../bus/bus.ts';
import { sequenceOf } from '../bus/sequence.ts';
import { topicProblem } from '../bus/topics.ts';
import type { DropReason, EventOutcome, FlowEvent, Timing } from '../flow/event.ts';
import type { Plan } from '../flow/plan.ts';
import type { Entry } from '../flow/queue.ts';
import type { Sink } from '../flow/run.ts';
import type { ModelIdentity } from '../flow/stage.ts';
import type { Result } from '../flow/value.ts';
import { LedgeError } from '../std/error.ts';
import { encodeMsgpack } from '../std/msgpack.ts';
import type { DropReporter } from './dropped.ts';
import { eventIdOf } from './event-id.ts';

/** A larger payload is not repeated on the dead-letter topic: it would double what overloads a node. */
export const DEAD_LETTER_PAYLOAD_BYTES_MAX = 262_144;

/** One event in a queue, with the MQTT side of its story. */
export interface WireEntry extends Entry {
  readonly qos: 0 | 1 | 2;
  /** Whether work on it began: it then counts as in flight. */
  readonly working: boolean;
  /** Whether it stays in the journal until it is settled. */
  readonly journaled: boolean;
  /** Whether it comes again where it is not settled: from the journal, or from another broker. */
  readonly comesAgain: boolean;
  /** Called once what became of the event has been handed over. */
  settle(): void;
}

/**
 * What the wire counts of one flow, since the node started, over reloads and restarts of the flow. An
 * event counts once, whatever its number of results:
 * received + replayed = queued + inFlight + emitted + held + dropped + deadLettered + returned.
 */
export interface WireCounts {
  /** Events that came from publishers. */
  received: number;
  /** Events that came from the journal: taken in before a crash, a stop, or a pause of the flow. */
  replayed: number;
  /** Events that are being worked on, or whose outcome is being handed over. */
  inFlight: number;
  /** Events with results, all handed over. */
  emitted: number;
  /** Results that were published. */
  results: number;
  held: number;
  deadLettered: number;
  /** Events that went back to where they came from: the journal, or the broker that has them still. */
  returned: number;
  dropped: Partial<Record<DropReason, number>>;
}

/** The counts of a flow that has seen nothing yet. */
export function createCounts(): WireCounts {
  return {
    received: 0,
    replayed: 0,
    inFlight: 0,
    emitted: 0,
    results: 0,
    held: 0,
    deadLettered: 0,
    returned: 0,
    dropped: {},
  };
}

export interface WireOptions {
  readonly bus: Bus;
  readonly flow: string;
  /** Topic of a device's results. */
  resultTopic(device: string): string;
  readonly deadLetterTopic: string;
  readonly plan: Pick<Plan, 'sink' | 'model'>;
  readonly counts: WireCounts;
  readonly drops: DropReporter;
  /** Called with what could not be published: the broker is away and its queue is full. */
  onPublishFailed(error: unknown): void;
}

export interface EventOptions {
  /** Of the flow: counts from when the node takes the event up, for a replay once more. */
  readonly deadlineMs: number | undefined;
  /** Of an event that the journal kept. */
  readonly replayOf?: { readonly id: string; readonly ts: number };
}

/** One MQTT message as an event of a flow. */
export function toEvent(
  message: Message,
  device: string,
  { deadlineMs, replayOf }: EventOptions,
): FlowEvent {
  const now = performance.now();
  const expiryMs = message.properties?.messageExpiryInterval;
  const limitMs = Math.min(
    deadlineMs ?? Infinity,
    expiryMs === undefined ? Infinity : expiryMs * 1e3,
  );
  const { topic, payload, properties } = message;
  const ts = replayOf?.ts ?? Date.now();
  const sequence = sequenceOf(properties);
  return {
    id: replayOf?.id ?? eventIdOf(topic, payload, ts),
    device,
    topic,
    payload,
    receivedAtMs: now,
    ts,
    timing: { queueMs: 0, decodeMs: 0, preprocessMs: 0, inferMs: 0, postprocessMs: 0 },
    ...(replayOf !== undefined && { replayed: true as const }),
    ...(limitMs < Infinity && { deadlineAtMs: now + limitMs }),
    ...(sequence !== undefined && { sequence }),
    ...(properties?.contentType !== undefined && { contentType: properties.contentType }),
    ...(properties?.correlationData !== undefined && {
      correlationData: properties.correlationData,
    }),
    ...responseOf(properties),
  };
}

/** [MQTT-3.3.2-14] A response topic has no wildcard; where a broker lets one through, nobody is asked. */
function responseOf(properties: MessageProperties | undefined): { responseTopic?: string } {
  const responseTopic = properties?.responseTopic;
  if (responseTopic === undefined || topicProblem(responseTopic) !== undefined) return {};
  return { responseTopic };
}

/** The topic of one device's results; `pattern` is the flow's own, with {device}. */
export function resultTopicOf(
  pattern: string | undefined,
  base: string,
): (device: string) => string {
  if (pattern === undefined) return (device) => `${base}/${device}`;
  const [before = '', after = ''] = pattern.split('{device}');
  return (device) => before + device + after;
}

/** Publishes what became of each event: results, a drop, or a dead letter. */
export function createWireSink(options: WireOptions): Sink<WireEntry> {
  const { bus, flow, counts, drops } = options;
  const { sink, model } = options.plan;
  const flowJson = `"flow":${JSON.stringify(flow)}`;
  const modelJson = createModelJson();

  async function accept(outcome: EventOutcome<Result>, entry: WireEntry): Promise<void> {
    const { event, results, end } = outcome;
    const published: Promise<void>[] = [];
    // One that no work began on is in flight as well, until its outcome has been handed over.
    if (!entry.working) counts.inFlight += 1;
    const late = event.deadlineAtMs !== undefined && performance.now() > event.deadlineAtMs;
    let fate: Fate = 'expired';
    if (!late || end.kind === 'fail') {
      for (let index = 0; index < results.length; index += 1) {
        publishResult(outcome, index, entry.qos, published);
      }
      if (end.kind === 'drop') fate = end.reason;
      else if (end.kind === 'done') fate = results.length === 0 ? 'held' : 'emitted';
      else if (end.error.code !== 'expired') {
        fate = 'deadLettered';
        published.push(bus.publish(deadLetter(event, end.error)));
      }
    }
    try {
      await Promise.all(published);
    } catch (error) {
      options.onPublishFailed(error);
      // An event whose result nobody will ever take must not hold up the acknowledgements behind it.
      fate = fateOf(error, entry);
    }
    conclude(fate, entry);
  }

  /** Counts the event where it belongs, and lets go of it. */
  function conclude(fate: Fate, entry: WireEntry): void {
    counts.inFlight -= 1;
    if (isCounted(fate)) {
      counts[fate] += 1;
      if (fate !== 'returned') entry.settle();
      return;
    }
    counts.dropped[fate] = (counts.dropped[fate] ?? 0) + 1;
    // In the journal until the report is out; another broker need not wait for that.
    if (entry.journaled) drops.report(entry.event, fate, () => entry.settle());
    else {
      drops.report(entry.event, fate);
      entry.settle();
    }
  }

  function publishResult(
    { event, results }: EventOutcome<Result>,
    index: number,
    qosOfEvent: 0 | 1 | 2,
    published: Promise<void>[],
  ): void {
    const result = results[index] as Result;
    counts.results += 1;
    const message: Message = {
      topic: options.resultTopic(result.topic ?? event.device),
      payload: encodeResult(event, result, results.length === 1 ? undefined : index),
      qos: sink.qos ?? (qosOfEvent === 0 ? 0 : 1),
      retain: sink.retain,
      properties: resultProperties(event),
    };
    published.push(bus.publish(message));
    if (event.responseTopic !== undefined) {
      published.push(bus.publish({ ...message, topic: event.responseTopic, retain: false }));
    }
  }

  /** The result as it is published. What every result of the flow repeats is written once. */
  function encodeResult(
    event: FlowEvent,
    { result, model: rung = model }: Result,
    part: number | undefined,
  ): Uint8Array {
    const id = part === undefined ? event.id : `${event.id}.${part}`;
    const { device, ts, topic } = event;
    const timing = timingOf(event);
    if (sink.encoding === 'msgpack') {
      const body = {
        id,
        flow,
        device,
        ts,
        ...(event.replayed && { replayed: true }),
        result,
        ...(rung && { model: rung }),
        timing,
        source: { topic },
      };
      return encodeMsgpack(body);
    }
    const { queueMs, decodeMs, preprocessMs, inferMs, postprocessMs, totalMs } = timing;
    return Buffer.from(
      `{"id":"${id}",${flowJson},"device":${JSON.stringify(device)},"ts":${ts},` +
        (event.replayed ? '"replayed":true,' : '') +
        `"result":${JSON.stringify(result)},${modelJson(rung)}"timing":{"queueMs":${queueMs},` +
        `"decodeMs":${decodeMs},"preprocessMs":${preprocessMs},"inferMs":${inferMs},` +
        `"postprocessMs":${postprocessMs},"totalMs":${totalMs}},` +
        `"source":{"topic":${JSON.stringify(topic)}}}`,
    );
  }

  function resultProperties(event: FlowEvent): MessageProperties {
    return {
      contentType: sink.encoding === 'msgpack' ? 'application/msgpack' : 'application/json',
      ...(event.correlationData !== undefined && { correlationData: event.correlationData }),
    };
  }

  function deadLetter(event: FlowEvent, error: LedgeError): Message {
    const small = event.payload.byteLength <= DEAD_LETTER_PAYLOAD_BYTES_MAX;
    const payload = Buffer.from(
      event.payload.buffer,
      event.payload.byteOffset,
      event.payload.byteLength,
    );
    const body = {
      id: event.id,
      flow,
      device: event.device,
      ts: event.ts,
      ...(event.replayed && { replayed: true }),
      error: { code: error.code, message: error.message, context: error.context },
      source: { topic: event.topic },
      payloadBytes: event.payload.byteLength,
      ...(small && { payload: payload.toString('base64'), payloadEncoding: 'base64' }),
    };
    return {
      topic: options.deadLetterTopic,
      payload: Buffer.from(JSON.stringify(body)),
      qos: 1,
      retain: false,
      properties: { ...resultProperties(event), contentType: 'application/json' },
    };
  }

  return { accept };
}

/** Where an event ended: in a count of its own, or among the dropped for a reason. */
type Counted = 'emitted' | 'held' | 'deadLettered' | 'returned';
type Fate = Counted | DropReason;

function isCounted(fate: Fate): fate is Counted {
  return fate === 'emitted' || fate === 'held' || fate === 'deadLettered' || fate === 'returned';
}

function fateOf(error: unknown, { comesAgain }: WireEntry): Fate {
  if (!(error instanceof LedgeError) || isFinal(error)) return 'unpublishable';
  if (comesAgain) return 'returned';
  return error.code === 'closed' ? 'shutdown' : 'overflow';
}

/** Whether publishing the same once more would fail as well. */
function isFinal(error: LedgeError): boolean {
  return !error.retriable && error.code !== 'closed';
}

/** Writes the field `model` of results, each model's once: there are as many as a ladder has rungs. */
function createModelJson(): (model: ModelIdentity | undefined) => string {
  const written = new Map<ModelIdentity | undefined, string>([[undefined, '']]);
  return (model) => {
    const known = written.get(model);
    if (known !== undefined) return known;
    const text = `"model":${JSON.stringify(model)},`;
    written.set(model, text);
    return text;
  };
}

function timingOf({ timing, receivedAtMs }: FlowEvent): Timing & { totalMs: number } {
  return {
    queueMs: round(timing.queueMs),
    decodeMs: round(timing.decodeMs),
    preprocessMs: round(timing.preprocessMs),
    inferMs: round(timing.inferMs),
    postprocessMs: round(timing.postprocessMs),
    totalMs: round(performance.now() - receivedAtMs),
  };
}

/** Microseconds are as much as a clock of a shared machine can say. */
function round(milliseconds: number): number {
  return Math.round(milliseconds * 1e3) / 1e3;
}
