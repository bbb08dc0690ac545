import type { LoadResult } from './load.ts';
import { percentile } from './statistics.ts';

export type Moment = 'measuring' | 'sent';
export type LoadOutcome = Omit<LoadResult, 'cpuMs'>;

/** Counts what happens between `start` and `stop`; what happens before is warm-up. */
export interface Recorder {
  /** An event was sent, so late against the plan where there is one. */
  sent(lagMs?: number): void;
  result(latencyMs: number): void;
  declared(reason: string, count: number): void;
  lost(count: number): void;
  unsent(count: number): void;
  start(): void;
  stop(): LoadOutcome;
}

export function createRecorder(): Recorder {
  let latencies: number[] = [];
  let lags: number[] = [];
  const declared: Record<string, number> = {};
  let counts = { sent: 0, lost: 0, unsent: 0 };
  let startedAtMs = performance.now();
  return {
    sent: (lagMs) => {
      counts.sent += 1;
      if (lagMs !== undefined) lags.push(lagMs);
    },
    result: (latencyMs) => latencies.push(latencyMs),
    declared: (reason, count) => {
      declared[reason] = (declared[reason] ?? 0) + count;
    },
    lost: (count) => {
      counts.lost += count;
    },
    unsent: (count) => {
      counts.unsent += count;
    },
    start: () => {
      latencies = [];
      lags = [];
      counts = { sent: 0, lost: 0, unsent: 0 };
      startedAtMs = performance.now();
    },
    stop: () => {
      const seconds = (performance.now() - startedAtMs) / 1000;
      const sorted = Float64Array.from(latencies).sort();
      const sortedLags = Float64Array.from(lags).sort();
      return {
        ...counts,
        offered: counts.sent,
        late: 0,
        results: sorted.length,
        perSecond: sorted.length / seconds,
        latencyMs: {
          p50: finite(percentile(sorted, 0.5)),
          p95: finite(percentile(sorted, 0.95)),
          p99: finite(percentile(sorted, 0.99)),
          max: sorted.at(-1) ?? null,
        },
        sendLagMsP99: finite(percentile(sortedLags, 0.99)),
        declared,
      };
    },
  };
}

/** What JSON can carry. */
function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
