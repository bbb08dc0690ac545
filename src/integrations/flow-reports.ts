import type { Bus, Delivery, Message, MessageProperties, Subscription } from '../bus/bus.ts';
import { z } from '../std/schema.ts';

/** A result of a voice flow is a label or a short list: more is not for us. */
const REPORT_BYTES_MAX = 524_288;

/** What became of an event: a result, a drop with its reason, or a failure. */
export interface FlowReport {
  readonly flow: string;
  /** As the event had it; undefined where the broker speaks MQTT 3.1.1. */
  readonly correlation: string | undefined;
  readonly outcome:
    | {
        readonly kind: 'result';
        readonly result: unknown;
        /** Of the event, milliseconds since 1970; undefined where the result does not say. */
        readonly ts: number | undefined;
      }
    | { readonly kind: 'dropped'; readonly reason: string }
    | { readonly kind: 'failed'; readonly code: string; readonly message: string };
}

/** Who hears of which device. */
export interface FlowReports extends AsyncDisposable {
  /** One listener for each device. Gives how to stop listening. */
  listen(device: string, listener: (report: FlowReport) => void): () => void;
}

const resultSchema = z.object({
  device: z.string(),
  result: z.unknown(),
  ts: z.number().optional(),
});
const droppedSchema = z.object({
  reason: z.string(),
  events: z.array(z.object({ device: z.string(), correlationData: z.string().optional() })),
});
const deadLetterSchema = z.object({
  device: z.string(),
  error: z.object({ code: z.string(), message: z.string() }),
});

/** Subscribes to what the flows publish, and tells each device's listener of its own. */
export async function openFlowReports(options: {
  readonly bus: Bus;
  /** `ledge/<node>`. */
  readonly base: string;
  readonly flows: readonly string[];
  /** The flow that owes an answer for each event: only its drops and failures are told. */
  readonly answering: string;
}): Promise<FlowReports> {
  const { bus, base } = options;
  const listeners = new Map<string, (report: FlowReport) => void>();
  const subscriptions: Subscription[] = [];

  function tell(device: string, report: FlowReport): void {
    listeners.get(device)?.(report);
  }

  function read(flow: string, { message }: Delivery): void {
    const { topic, payload, properties } = message;
    const last = topic.slice(`${base}/${flow}/`.length);
    const special = last === 'dropped' || last === 'dead-letter';
    if (special ? flow !== options.answering : !listeners.has(last)) return;
    const body = parseJson(payload);
    const correlation = correlationOf(properties);
    if (last === 'dropped') {
      const parsed = droppedSchema.safeParse(body);
      if (!parsed.success) return;
      const { reason, events } = parsed.data;
      for (const { device, correlationData } of events) {
        const own = correlationData && Buffer.from(correlationData, 'base64').toString();
        tell(device, { flow, correlation: own, outcome: { kind: 'dropped', reason } });
      }
    } else if (last === 'dead-letter') {
      const parsed = deadLetterSchema.safeParse(body);
      if (!parsed.success) return;
      const { device, error } = parsed.data;
      tell(device, { flow, correlation, outcome: { kind: 'failed', ...error } });
    } else {
      const outcome = resultOf(body);
      if (outcome !== undefined) tell(last, { flow, correlation, outcome });
    }
  }

  for (const flow of new Set(options.flows)) {
    const opened = await bus.subscribe(`${base}/${flow}/+`, { qos: 1 }, (delivery) => {
      delivery.accept();
      read(flow, delivery);
      delivery.settle();
    });
    subscriptions.push(opened);
  }

  return {
    listen(device, listener) {
      listeners.set(device, listener);
      return () => {
        if (listeners.get(device) === listener) listeners.delete(device);
      };
    },
    async [Symbol.asyncDispose]() {
      for (const subscription of subscriptions) await subscription.close();
    },
  };
}

/** What was sent with the event, as text. */
function correlationOf(properties: MessageProperties | undefined): string | undefined {
  const data = properties?.correlationData;
  return data === undefined ? undefined : Buffer.from(data).toString();
}

/** One result that came to a response topic; undefined where it is none. */
export function answerOf({
  payload,
  properties,
}: Message): Pick<FlowReport, 'correlation' | 'outcome'> | undefined {
  const outcome = resultOf(parseJson(payload));
  return outcome && { correlation: correlationOf(properties), outcome };
}

function resultOf(body: unknown): FlowReport['outcome'] | undefined {
  const parsed = resultSchema.safeParse(body);
  if (!parsed.success) return undefined;
  const { result, ts } = parsed.data;
  return { kind: 'result', result, ts };
}

/** A label with its score, as the voice flows give it: alone, or first of a list. */
export function bestLabel(result: unknown): { label: string; score: number } | undefined {
  const parsed = labelSchema.safeParse(Array.isArray(result) ? result[0] : result);
  return parsed.success ? parsed.data : undefined;
}

const labelSchema = z.object({ label: z.string(), score: z.number().default(1) });

/** Whether somebody speaks, as the flow of voice activity gives it. */
export function activityOf(result: unknown): boolean | undefined {
  const parsed = activitySchema.safeParse(result);
  return parsed.success ? parsed.data.active : undefined;
}

const activitySchema = z.object({ active: z.boolean() });

function parseJson(payload: Uint8Array): unknown {
  if (payload.byteLength > REPORT_BYTES_MAX) return undefined;
  try {
    return JSON.parse(Buffer.from(payload).toString('utf8'));
  } catch {
    return undefined;
  }
}
