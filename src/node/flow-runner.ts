import type { Bus, Subscription } from '../bus/bus.ts';
import { createPlan, type Plan } from '../flow/plan.ts';
import { createEventQueue, type EventQueue } from '../flow/queue.ts';
import { runFlow, type Sink } from '../flow/run.ts';
import type { StateStore } from '../flow/state.ts';
import type { Clock } from '../std/clock.ts';
import type { Journal } from '../store/journal.ts';
import type { Arrival } from './arrival.ts';
import { createDropReporter } from './dropped.ts';
import { createFlowIntake, type FlowIntake } from './flow-intake.ts';
import type { LoadedFlow } from './flow-load.ts';
import type { Log } from './log.ts';
import type { ReplayTrial } from './replay-trial.ts';
import { createWireSink, resultTopicOf, type WireCounts } from './wire.ts';

/** How long a stop waits for the disk, so that publishers are acknowledged what it has. */
const FLUSH_MS_MAX = 2_000;

export interface RunnerContext {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Log;
  /** `ledge/<node>`. */
  readonly base: string;
  readonly state: StateStore;
  /** What events of at-least-once flows are kept in; without it none are. */
  readonly journal: Journal | undefined;
  readonly trial: ReplayTrial;
  /** Goes on counting where a flow of this name was stopped before. */
  readonly counts: WireCounts;
}

/** A flow at work: its queue, its plan, its subscription. The plan can be swapped while it runs. */
export interface FlowRunner {
  readonly loaded: LoadedFlow;
  readonly plan: Plan;
  readonly counts: Readonly<WireCounts>;
  readonly queued: { readonly events: number; readonly bytes: number };
  /** How long the event that is next has waited; 0 where none does. */
  readonly waitingMs: number;
  /** Begins with what the journal kept, before anything new. Idempotent. */
  begin(): void;
  /**
   * Lets what is in flight end under the old plan, then goes on with the new one. Nothing is lost;
   * what the devices learned is handed over.
   */
  swap(next: LoadedFlow): Promise<void>;
  /**
   * Takes nothing new, works off what waits for at most `drainMs`, gives the models back. What is left
   * then stays in the journal, or is dropped aloud where it has no place there.
   */
  close(drainMs: number): Promise<void>;
}

/** One plan at work on the flow's queue. */
interface Shift {
  readonly plan: Plan;
  readonly sink: Sink<Arrival>;
  /** Begins nothing new; resolves when nothing is in flight. */
  stop(): Promise<void>;
}

/** Starts a loaded flow. */
export async function startFlow(first: LoadedFlow, context: RunnerContext): Promise<FlowRunner> {
  const { bus, clock, log, base, state, counts, journal, trial } = context;
  const { name } = first.parts;
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
  // Before the subscription, so that what the journal kept comes first.
  const intake: FlowIntake = createFlowIntake({
    bus,
    journal,
    trial,
    counts,
    log,
    loaded: () => loaded,
    offer: (arrival) => queue.offer(arrival),
    refuse(arrival, error) {
      const { event } = arrival;
      void shift.sink.accept({ event, results: [], end: { kind: 'fail', error } }, arrival);
    },
  });
  let subscription = await subscribe();

  function openQueue(): EventQueue<Arrival> {
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
    return bus.subscribe(pattern.filter, { qos }, intake.receive);
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
    await Promise.race([drained(), cutOff]);
    const behind = intake.stop();
    await Promise.race([shift.stop(), cutOff]);
    const left = [...queue.clear(), ...behind];
    giveUp(left);
    await drops.flush();
    await flushJournal();
    shift.plan.save();
    await shift.plan.close();
  }

  async function drained(): Promise<void> {
    await intake.replayed;
    await queue.drained();
  }

  /** Accounts for what a stop left in the queue. */
  function giveUp(left: readonly Arrival[]): void {
    let kept = 0;
    for (const arrival of left) {
      // Acknowledged once the journal has it, now that the queue will not take it.
      arrival.accepted();
      if (arrival.comesAgain) {
        kept += 1;
        counts.returned += 1;
        continue;
      }
      arrival.settle();
      counts.dropped.shutdown = (counts.dropped.shutdown ?? 0) + 1;
      drops.report(arrival.event, 'shutdown');
    }
    const { inFlight } = shift.plan;
    if (left.length + inFlight === 0) return;
    log.warn('Stopped before all was worked off', { queued: left.length, inFlight, kept });
  }

  async function flushJournal(): Promise<void> {
    if (journal === undefined) return;
    const late = new Promise<void>((resolve) => clock.after(FLUSH_MS_MAX, resolve));
    await Promise.race([journal.flush().catch(() => undefined), late]);
  }

  return {
    get loaded() {
      return loaded;
    },
    get plan() {
      return shift.plan;
    },
    counts,
    begin: intake.begin,
    get queued() {
      const { events, bytes } = intake.behind;
      return { events: queue.length + events, bytes: queue.bytes + bytes };
    },
    get waitingMs() {
      const { first } = queue;
      return first === undefined ? 0 : performance.now() - first.receivedAtMs;
    },
    swap,
    close,
  };
}
