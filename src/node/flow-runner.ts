import type { Bus, Delivery, Subscription } from '../bus/bus.ts';
import type { FlowEvent } from '../flow/event.ts';
import { createPlan, type Plan } from '../flow/plan.ts';
import { createEventQueue, type EventQueue } from '../flow/queue.ts';
import { runFlow, type Sink } from '../flow/run.ts';
import type { StateStore } from '../flow/state.ts';
import type { Clock } from '../std/clock.ts';
import { LedgeError } from '../std/error.ts';
import { createDropReporter } from './dropped.ts';
import type { LoadedFlow } from './flow-load.ts';
import type { Log } from './log.ts';
import { createWireSink, resultTopicOf, toEvent, type WireCounts, type WireEntry } from './wire.ts';

/** Devices of these names would publish where the node reports: `.../dropped`, `.../dead-letter`. */
const RESERVED_DEVICES = new Set(['dropped', 'dead-letter']);

export interface RunnerContext {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Log;
  /** `ledge/<node>`. */
  readonly base: string;
  readonly state: StateStore;
}

/** A flow at work: its queue, its plan, its subscription. The plan can be swapped while it runs. */
export interface FlowRunner {
  readonly loaded: LoadedFlow;
  readonly plan: Plan;
  readonly counts: Readonly<WireCounts>;
  readonly queued: { readonly events: number; readonly bytes: number };
  /**
   * Lets what is in flight end under the old plan, then goes on with the new one. Nothing is lost;
   * what the devices learned is handed over.
   */
  swap(next: LoadedFlow): Promise<void>;
  /** Takes nothing new, works off what waits for at most `drainMs`, gives the models back. */
  close(drainMs: number): Promise<void>;
}

/** One plan at work on the flow's queue. */
interface Shift {
  readonly plan: Plan;
  readonly sink: Sink<WireEntry>;
  /** Begins nothing new; resolves when nothing is in flight. */
  stop(): Promise<void>;
}

/** Starts a loaded flow. */
export async function startFlow(first: LoadedFlow, context: RunnerContext): Promise<FlowRunner> {
  const { bus, clock, log, base, state } = context;
  const { name } = first.parts;
  const counts: WireCounts = { received: 0, results: 0, held: 0, deadLettered: 0, dropped: {} };
  const onPublishFailed = (error: unknown) =>
    log.error('Cannot publish', { error: error instanceof Error ? error.message : String(error) });
  const drops = createDropReporter({
    bus,
    flow: name,
    topic: `${base}/${name}/dropped`,
    clock,
    onPublishFailed,
  });
  let loaded = first;
  let queue = openQueue();
  let shift = startShift();
  let subscription = await subscribe();

  function openQueue(): EventQueue<WireEntry> {
    const { keep, queueEventsMax, queueBytesMax } = loaded.intake;
    const limits = { keep, eventsMax: queueEventsMax, bytesMax: queueBytesMax };
    return createEventQueue(limits, (entry, reason) => {
      const end = { kind: 'drop', reason } as const;
      void shift.sink.accept({ event: entry.event, results: [], end }, entry);
    });
  }

  function startShift(): Shift {
    const abort = new AbortController();
    const plan = createPlan(loaded.parts, state);
    const deadLetterTopic = `${base}/${name}/dead-letter`;
    const resultTopic = resultTopicOf(plan.sink.topic, `${base}/${name}`);
    const sink = createWireSink({
      bus,
      flow: name,
      plan,
      resultTopic,
      deadLetterTopic,
      counts,
      drops,
      onPublishFailed,
    });
    const ended = runFlow(plan, { queue, sink, signal: abort.signal });
    ended.catch((error) => log.error('The flow stopped by a fault', { error: String(error) }));
    const stop = () => {
      abort.abort();
      return ended;
    };
    return { plan, sink, stop };
  }

  function subscribe(): Promise<Subscription> {
    const { pattern, qos } = loaded.intake;
    return bus.subscribe(pattern.filter, { qos }, receive);
  }

  function receive(delivery: Delivery): void {
    const { message } = delivery;
    const { pattern, deadlineMs } = loaded.intake;
    const device = pattern.deviceOf(message.topic);
    if (device === undefined) {
      delivery.accept();
      delivery.settle();
      return;
    }
    counts.received += 1;
    let accepted = false;
    const event = toEvent(message, device, deadlineMs);
    const entry: WireEntry = {
      event,
      delivery,
      qos: message.qos,
      accepted() {
        if (!accepted) delivery.accept();
        accepted = true;
      },
    };
    const refusal = refusalOf(event);
    if (refusal === undefined) return queue.offer(entry);
    entry.accepted();
    void shift.sink.accept({ event, results: [], end: { kind: 'fail', error: refusal } }, entry);
  }

  function refusalOf({ device, payload }: FlowEvent): LedgeError | undefined {
    const { payloadBytesMax } = loaded.intake;
    if (payload.byteLength > payloadBytesMax) {
      const bytes = payload.byteLength;
      const text = `The payload has ${bytes} bytes, flow "${name}" takes ${payloadBytesMax}`;
      return new LedgeError('payload-too-large', text);
    }
    if (!RESERVED_DEVICES.has(device)) return undefined;
    return new LedgeError('value-invalid', `Device "${device}" has the name of a report topic`);
  }

  async function swap(next: LoadedFlow): Promise<void> {
    const before = loaded;
    await shift.stop();
    shift.plan.save();
    await shift.plan.close();
    loaded = next;
    const waiting = queue.clear();
    queue = openQueue();
    for (const entry of waiting) queue.offer(entry);
    shift = startShift();
    const { filter } = before.intake.pattern;
    if (filter === next.intake.pattern.filter && before.intake.qos === next.intake.qos) return;
    const old = subscription;
    subscription = await subscribe();
    await old.close();
  }

  async function close(drainMs: number): Promise<void> {
    await subscription.close();
    const cutOff = new Promise<void>((resolve) => clock.after(drainMs, resolve));
    await Promise.race([queue.drained(), cutOff]);
    await Promise.race([shift.stop(), cutOff]);
    const left = { queued: queue.length, inFlight: shift.plan.inFlight };
    if (left.queued + left.inFlight > 0) log.warn('Stopped before all was worked off', left);
    for (const entry of queue.clear()) {
      entry.accepted();
      counts.dropped.shutdown = (counts.dropped.shutdown ?? 0) + 1;
      drops.report(entry.event, 'shutdown');
    }
    await drops.flush();
    shift.plan.save();
    await shift.plan.close();
  }

  return {
    get loaded() {
      return loaded;
    },
    get plan() {
      return shift.plan;
    },
    counts,
    get queued() {
      return { events: queue.length, bytes: queue.bytes };
    },
    swap,
    close,
  };
}
