import type { LoadResult } from './load.ts';
import { percentile } from './statistics.ts';

export type Moment = 'measuring' | 'sent';
export type LoadOutcome = Omit<LoadResult, 'cpuMs'>;

/** Counts what happens between `start` and `stop`; what happens before is warm-up. */
export interface Recorder {
  sent(): void;
  result(latencyMs: number): void;
  /** How late an event was sent, against the plan. */
  sendLag(lagMs: number): void;
  declared(reason: string, count: number): void;
  lost(count: number): void;
  unsent(count: number): void;
  start(): void;
  stop(): LoadOutcome;
}

export function createRecorder(): Recorder {
  let latencies: number[] = [];
  let lags: number[] = [];
  let declared: Record<string, number> = {};
  let counts = { sent: 0, lost: 0, unsent: 0 };
  let startedAtMs = performance.now();
  return {
    sent: () => {
      counts.sent += 1;
    },
    result: (latencyMs) => latencies.push(latencyMs),
    sendLag: (lagMs) => lags.push(lagMs),
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
      declared = {};
      counts = { sent: 0, lost: 0, unsent: 0 };
      startedAtMs = performance.now();
    },
    stop: () => {
      const seconds = (performance.now() - startedAtMs) / 1000;
      const sorted = Float64Array.from(latencies).sort();
      const sortedLags = Float64Array.from(lags).sort();
      return {
        ...counts,
        results: sorted.length,
        perSecond: sorted.length / seconds,
        latencyMs: {
          p50: percentile(sorted, 0.5),
          p95: percentile(sorted, 0.95),
          p99: percentile(sorted, 0.99),
          max: sorted.at(-1) ?? Number.NaN,
        },
        sendLagMsP99: percentile(sortedLags, 0.99),
        declared,
      };
    },
  };
}
