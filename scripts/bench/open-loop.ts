import { openLink } from './link.ts';
import type { Load, Pace } from './load.ts';
import { createRecorder, type LoadOutcome, type Moment } from './recorder.ts';

/** How often due events are looked for: what a timer of Node can do at best. */
const TICK_MS = 1;
const PACKET_IDS = 65_535;
/** Nothing more comes from a system that has been silent for this long. */
const QUIET_MS = 2000;
/** Nor is more waited for after this. */
const LATE_MS_MAX = 60_000;
/** A broker that does not read keeps further events waiting here, unsent, where they cost nothing. */
const BACKLOG_BYTES_MAX = 4 * 1024 * 1024;

/**
 * Sends at a fixed rate, whatever comes back. Latency counts from the moment an event was due, so
 * that a system that holds the sender back cannot hide it (no coordinated omission).
 */
export async function runOpenLoop(
  load: Load,
  pace: Extract<Pace, { kind: 'open' }>,
  tell: (moment: Moment) => void,
): Promise<LoadOutcome> {
  const { perSecond } = pace;
  const warm = Math.round((load.warmupMs / 1000) * perSecond);
  const total = warm + Math.round((load.durationMs / 1000) * perSecond);
  const recorder = createRecorder();
  const seen = new Uint8Array(total);
  const state = { sent: 0, seen: 0, declared: 0, unacknowledged: 0, heardAtMs: 0 };
  let startedAtMs = 0;
  const dueAtMs = (sequence: number): number => startedAtMs + (sequence / perSecond) * 1000;
  // Without correlation data every event has a device of its own, which its result names.
  const correlated = load.protocol === 5;
  const devices = correlated ? load.devices : total;
  const link = await openLink(
    { ...load, devices },
    {
      onResult(device, correlation) {
        const sequence = correlated ? correlation : device;
        if (sequence === undefined || sequence >= total || seen[sequence] === 1) return;
        seen[sequence] = 1;
        state.heardAtMs = performance.now();
        state.seen += 1;
        if (sequence >= warm) recorder.result(performance.now() - dueAtMs(sequence));
      },
      onDeclared(reason, count) {
        state.declared += count;
        state.heardAtMs = performance.now();
        recorder.declared(reason, count);
      },
      onPuback() {
        state.unacknowledged -= 1;
      },
    },
  );
  const unacknowledgedMax = load.qos === 0 ? Number.POSITIVE_INFINITY : link.receiveMaximum;
  const sendDue = (): void => {
    const now = performance.now();
    const due = Math.min(total, Math.floor(((now - startedAtMs) / 1000) * perSecond) + 1);
    while (state.sent < due && state.unacknowledged < unacknowledgedMax) {
      if (link.backlogBytes() > BACKLOG_BYTES_MAX) break;
      const sequence = state.sent;
      if (sequence === warm) {
        recorder.start();
        tell('measuring');
      }
      if (sequence >= warm) recorder.sent(now - dueAtMs(sequence));
      link.publish(sequence % devices, sequence, (sequence % PACKET_IDS) + 1);
      state.sent += 1;
      if (load.qos === 1) state.unacknowledged += 1;
    }
  };
  startedAtMs = performance.now();
  await repeat(sendDue, () => state.sent === total || performance.now() > dueAtMs(total) + 1000);
  tell('sent');
  const inTime = await awaitRest(state, { total, drainMs: pace.drainMs, sendDue });
  link.close();
  recorder.unsent(total - state.sent);
  recorder.lost(Math.max(0, state.sent - state.seen - state.declared));
  const outcome = recorder.stop();
  return {
    ...outcome,
    offered: total,
    late: state.seen - inTime,
    perSecond: outcome.results / (load.durationMs / 1000),
  };
}

interface Counts {
  readonly seen: number;
  readonly declared: number;
  readonly heardAtMs: number;
}

/** Waits until nothing more comes; gives how many results came within the drain time. */
async function awaitRest(
  state: Counts,
  { total, drainMs, sendDue }: { total: number; drainMs: number; sendDue: () => void },
): Promise<number> {
  const endedAtMs = performance.now();
  const since = (atMs: number): number => performance.now() - atMs;
  const all = (): boolean => state.seen + state.declared >= total;
  await repeat(sendDue, () => all() || since(endedAtMs) > drainMs);
  const inTime = state.seen;
  const over = (): boolean => since(state.heardAtMs) > QUIET_MS || since(endedAtMs) > LATE_MS_MAX;
  await repeat(sendDue, () => all() || over());
  return inTime;
}

/** Calls `act` every tick until `over`. */
function repeat(act: () => void, over: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      act();
      if (!over()) return;
      clearInterval(timer);
      resolve();
    }, TICK_MS);
  });
}
