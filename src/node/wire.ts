import type { Bus, Delivery, Message, MessageProperties } from '../bus/bus.ts';
import { topicProblem } from '../bus/topics.ts';
import type { DropReason, EventOutcome, FlowEvent, Timing } from '../flow/event.ts';
import type { Plan } from '../flow/plan.ts';
import type { Entry } from '../flow/queue.ts';
import type { Sink } from '../flow/run.ts';
import type { Result } from '../flow/value.ts';
import { LedgeError } from '../std/error.ts';
import { encodeMsgpack } from '../std/msgpack.ts';
import type { DropReporter } from './dropped.ts';

/** A larger payload is not repeated on the dead-letter topic: it would double what overloads a node. */
export const DEAD_LETTER_PAYLOAD_BYTES_MAX = 262_144;

/** One event in a queue, with the MQTT side of its story. */
export interface WireEntry extends Entry {
  readonly delivery: Delivery;
  readonly qos: 0 | 1 | 2;
}

/** What the wire counts of one flow. */
export interface WireCounts {
  received: number;
  results: number;
  held: number;
  deadLettered: number;
  dropped: Partial<Record<DropReason, number>>;
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

const STARTED = Date.now().toString(36);
let sequence = 0;

/** An id that no other event of this node has, over restarts too. */
function nextId(): string {
  sequence += 1;
  return `${STARTED}-${sequence.toString(36)}`;
}

/** One MQTT message as an event of a flow. */
export function toEvent(
  message: Message,
  device: string,
  deadlineMs: number | undefined,
): FlowEvent {
  const now = performance.now();
  const expiryMs = message.properties?.messageExpiryInterval;
  const limitMs = Math.min(
    deadlineMs ?? Infinity,
    expiryMs === undefined ? Infinity : expiryMs * 1e3,
  );
  const properties = message.properties;
  return {
    id: nextId(),
    device,
    topic: message.topic,
    payload: message.payload,
    receivedAtMs: now,
    ts: Date.now(),
    timing: { queueMs: 0, decodeMs: 0, preprocessMs: 0, inferMs: 0, postprocessMs: 0 },
    ...(limitMs < Infinity && { deadlineAtMs: now + limitMs }),
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
  const modelJson = model === undefined ? '' : `"model":${JSON.stringify(model)},`;

  async function accept(outcome: EventOutcome<Result>, entry: WireEntry): Promise<void> {
    const { event, results, end } = outcome;
    const published: Promise<void>[] = [];
    const late = event.deadlineAtMs !== undefined && performance.now() > event.deadlineAtMs;
    if (late && end.kind !== 'fail') {
      drop(event, 'expired');
    } else {
      for (let index = 0; index < results.length; index += 1) {
        publishResult(outcome, index, entry.qos, published);
      }
      if (end.kind === 'drop') drop(event, end.reason);
      else if (end.kind === 'fail' && end.error.code === 'expired') drop(event, 'expired');
      else if (end.kind === 'fail') published.push(bus.publish(deadLetter(event, end.error)));
      else if (results.length === 0) counts.held += 1;
    }
    try {
      await Promise.all(published);
      entry.delivery.settle();
    } catch (error) {
      options.onPublishFailed(error);
      // An event whose result nobody will ever take must not hold up the acknowledgements behind it.
      if (isFinal(error)) entry.delivery.settle();
    }
  }

  function drop(event: FlowEvent, reason: DropReason): void {
    counts.dropped[reason] = (counts.dropped[reason] ?? 0) + 1;
    drops.report(event, reason);
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
    { result }: Result,
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
        result,
        ...(model && { model }),
        timing,
        source: { topic },
      };
      return encodeMsgpack(body);
    }
    const { queueMs, decodeMs, preprocessMs, inferMs, postprocessMs, totalMs } = timing;
    return Buffer.from(
      `{"id":"${id}",${flowJson},"device":${JSON.stringify(device)},"ts":${ts},` +
        `"result":${JSON.stringify(result)},${modelJson}"timing":{"queueMs":${queueMs},` +
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
    counts.deadLettered += 1;
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

/** Whether publishing the same once more would fail as well. */
function isFinal(error: unknown): boolean {
  return !(error instanceof LedgeError) || (!error.retriable && error.code !== 'closed');
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
