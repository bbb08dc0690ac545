import { eachConcurrent } from '../std/concurrent.ts';
import type { EventOutcome } from './event.ts';
import type { Plan } from './plan.ts';
import type { Entry, EventQueue } from './queue.ts';
import type { Result } from './value.ts';

/** Takes what an event came to: publishes it, drops it aloud, or lays it with the dead letters. */
export interface Sink<E extends Entry> {
  accept(outcome: EventOutcome<Result>, entry: E): Promise<void>;
}

export interface RunOptions<E extends Entry> {
  readonly queue: EventQueue<E>;
  readonly sink: Sink<E>;
  readonly signal: AbortSignal;
}

/**
 * Runs one flow until the signal aborts; resolves when nothing is in flight any more. What has not
 * begun stays in the queue. A bad event never throws.
 */
export async function runFlow<E extends Entry>(
  plan: Plan,
  { queue, sink, signal }: RunOptions<E>,
): Promise<void> {
  await eachConcurrent(queue.take(signal), plan.inFlightMax, async (entry) => {
    const { event } = entry;
    entry.begun?.();
    event.timing.queueMs += performance.now() - event.receivedAtMs;
    const outcome = isExpired(event) ? expired(event) : await plan.process(event);
    await sink.accept(outcome, entry); // publish, drop or dead letter
  });
}

function isExpired({ deadlineAtMs }: Entry['event']): boolean {
  return deadlineAtMs !== undefined && performance.now() > deadlineAtMs;
}

function expired(event: Entry['event']): EventOutcome<Result> {
  return { event, results: [], end: { kind: 'drop', reason: 'expired' } };
}
