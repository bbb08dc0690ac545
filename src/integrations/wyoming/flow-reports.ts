import type { Bus, Delivery, Subscription } from '../../bus/bus.ts';
import { z } from '../../std/schema.ts';

/** A result of a voice flow is a label or a short list: more is not for us. */
const REPORT_BYTES_MAX = 524_288;

/** What became of an event: a result, a drop with its reason, or a failure. */
export interface FlowReport {
  readonly flow: string;
  /** As the event had it; undefined where the broker speaks MQTT 3.1.1. */
  readonly correlation: string | undefined;
  readonly outcome:
    | { readonly kind: 'result'; readonly result: unknown }
    | { readonly kind: 'dropped'; readonly reason: string }
    | { readonly kind: 'failed'; readonly code: string; readonly message: string };
}

/** Who hears of which device. */
export interface FlowReports extends AsyncDisposable {
  /** One listener for each device. Gives how to stop listening. */
  listen(device: string, listener: (report: FlowReport) => void): () => void;
}

const resultSchema = z.object({ device: z.string(), result: z.unknown() });
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
    const data = properties?.correlationData;
    const correlation = data === undefined ? undefined : Buffer.from(data).toString();
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
      const parsed = resultSchema.safeParse(body);
      if (!parsed.success) return;
      tell(last, { flow, correlation, outcome: { kind: 'result', result: parsed.data.result } });
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
