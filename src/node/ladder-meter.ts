import type { FlowRunner } from './flow-runner.ts';
import type { LadderFacts } from './ladder-decision.ts';
import type { WireCounts } from './wire.ts';

/** Missed deadlines are counted over so long. */
const WINDOW_MS = 10_000;
/** Fewer events than this say nothing: one of three that is late is chance. */
const EVENTS_MIN = 5;

/** What of a flow at work says how it keeps up. */
export type Metered = Pick<FlowRunner, 'counts' | 'queued' | 'waitingMs'> & {
  readonly loaded: { readonly intake: FlowRunner['loaded']['intake'] };
};

/** Reads how a flow does, from figures that are counted anyway. */
export interface LadderMeter {
  read(runner: Metered, nowMs: number): Omit<LadderFacts, 'celsius'>;
  /** What missed its deadline before says nothing of the rung that is at work now. */
  restart(): void;
}

interface Sample {
  readonly atMs: number;
  readonly ended: number;
  readonly missed: number;
}

/** Creates the meter of one ladder. */
export function createLadderMeter(): LadderMeter {
  let samples: Sample[] = [];

  function missedShare({ counts }: Metered, nowMs: number): number {
    const now = { atMs: nowMs, ...sampleOf(counts) };
    samples.push(now);
    // The newest of those that are too old is where the window begins.
    const begins = samples.findLastIndex(({ atMs }) => nowMs - atMs >= WINDOW_MS);
    if (begins > 0) samples = samples.slice(begins);
    const { ended, missed } = samples[0] as Sample;
    const events = now.ended - ended;
    return events < EVENTS_MIN ? 0 : (now.missed - missed) / events;
  }

  return {
    read(runner, nowMs) {
      const { queueEventsMax, queueBytesMax, deadlineMs } = runner.loaded.intake;
      const { events, bytes } = runner.queued;
      return {
        waitShare: deadlineMs === undefined ? 0 : runner.waitingMs / deadlineMs,
        fillShare: Math.max(events / queueEventsMax, bytes / queueBytesMax),
        missedShare: missedShare(runner, nowMs),
      };
    },
    restart() {
      samples = [];
    },
  };
}

/** Events that were worked on or too late for it; a newer one in its place is no missed deadline. */
function sampleOf({ emitted, held, deadLettered, dropped }: Readonly<WireCounts>) {
  const missed = dropped.expired ?? 0;
  return { ended: emitted + held + deadLettered + missed, missed };
}
