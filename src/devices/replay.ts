import { setTimeout as sleep } from 'node:timers/promises';
import type { DropReport, Exchange, Reply } from './exchange.ts';
import type { RecordedEvent, Recording } from './recording.ts';

/** What came back for a recorded event. */
export interface ReplayReply extends Reply {
  readonly recorded: RecordedEvent;
  readonly device: string;
}

export interface ReplayOptions {
  /** How many times faster than recorded. */
  readonly speed: number;
  /** The device that an event is published for. */
  readonly deviceOf: (event: RecordedEvent) => string;
  /** How long nothing may come back before the rest is given up. */
  readonly quietMsMax: number;
  readonly signal: AbortSignal;
  open(listeners: {
    onReply(reply: Reply): void;
    onDrop(report: DropReport): void;
  }): Promise<Exchange>;
  onReply(reply: ReplayReply): void;
}

/** How a replay went. Every event is in exactly one of `answered`, `failed`, `unanswered`. */
export interface ReplaySummary {
  readonly events: number;
  readonly results: number;
  readonly answered: number;
  /** Went to the dead-letter topic. */
  readonly failed: number;
  /** Had no reply: held by the flow, dropped, or lost. */
  readonly unanswered: number;
  /** Reported as dropped by the flow meanwhile, by reason, whoever sent them. */
  readonly dropped: Readonly<Record<string, number>>;
}

/** Publishes a recording at its pace and tells what comes back, until all is answered or quiet. */
export async function replayRecording(
  { events }: Recording,
  options: ReplayOptions,
): Promise<ReplaySummary> {
  const { speed, deviceOf, quietMsMax, signal } = options;
  const ends: (Reply['kind'] | undefined)[] = [];
  const dropped: Record<string, number> = {};
  let results = 0;
  let open = 0;
  let lastAtMs = performance.now();

  await using exchange = await options.open({
    onReply(reply) {
      lastAtMs = performance.now();
      if (reply.kind === 'result') results += 1;
      if (ends[reply.event] === undefined) open -= 1;
      ends[reply.event] ??= reply.kind;
      const recorded = events[reply.event] as RecordedEvent;
      options.onReply({ ...reply, recorded, device: deviceOf(recorded) });
    },
    onDrop({ reason, count }) {
      lastAtMs = performance.now();
      dropped[reason] = (dropped[reason] ?? 0) + count;
    },
  });

  const startedAtMs = performance.now();
  let sent = 0;
  for (const event of events) {
    const waitMs = startedAtMs + event.atMs / speed - performance.now();
    if (!(await pause(waitMs, signal))) break;
    open += 1;
    sent += 1;
    const payload = await event.read();
    await exchange.send({ device: deviceOf(event), payload, contentType: event.contentType });
    lastAtMs = performance.now();
  }
  while (open > 0 && performance.now() - lastAtMs < quietMsMax) {
    if (!(await pause(Math.min(POLL_MS, quietMsMax), signal))) break;
  }
  const count = (kind: Reply['kind']) => ends.filter((end) => end === kind).length;
  const [answered, failed] = [count('result'), count('dead-letter')];
  return { events: sent, results, answered, failed, unanswered: sent - answered - failed, dropped };
}

/** How often it is looked whether everything has come back. */
const POLL_MS = 20;

/** Waits; false where the signal ended it. A wait of nothing gives way to nobody. */
async function pause(waitMs: number, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return false;
  if (waitMs <= 0) return true;
  try {
    await sleep(waitMs, undefined, { signal });
    return true;
  } catch {
    return false;
  }
}
