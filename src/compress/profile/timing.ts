import { type CallKey, keyOf } from './executed-nodes.ts';
import type { TraceOverhead } from './overhead.ts';
import type { TraceCall, TraceRun } from './trace.ts';

/** A time in milliseconds: the middle of all runs, and between what eight in ten of them lie. */
export interface Spread {
  readonly ms: number;
  readonly lowMs: number;
  readonly highMs: number;
}

/** What one node took in a run: all its calls together, without those of nodes inside it. */
export interface NodeTiming extends Spread {
  readonly calls: number;
}

export interface RunTiming {
  readonly nodes: ReadonlyMap<CallKey, NodeTiming>;
  /** The runtime's own work between nodes. */
  readonly betweenMs: number;
}

/** The clock of the trace cuts to whole microseconds, half of one on average. */
const TICK_US = 1;
const LOW = 0.1;
const HIGH = 0.9;
const US_PER_MS = 1000;

/** Takes the times of all runs together, less what tracing them cost. */
export function timeRuns(runs: readonly TraceRun[], overhead: TraceOverhead): RunTiming {
  const { insideUs, wholeUs } = overhead;
  const outsideUs = wholeUs - insideUs;
  const sums = runs.map(({ calls }) => sumRun(calls, outsideUs));
  const nodes = new Map<CallKey, NodeTiming>();
  for (const key of new Set(sums.flatMap((sum) => [...sum.keys()]))) {
    // A branch that a run did not take took no time in it.
    const found = sums.map((sum) => sum.get(key) ?? { us: 0, calls: 0 });
    const sorted = sortNumbers(found.map(({ us, calls }) => us - calls * insideUs));
    const ticks = sortNumbers(found.map(({ us }) => us));
    const calls = sortNumbers(found.map((one) => one.calls))[found.length >> 1] ?? 0;
    const us = middleOfTicks(ticks) - TICK_US / 2 - calls * insideUs;
    nodes.set(key, {
      calls,
      ms: Math.max(0, us) / US_PER_MS,
      lowMs: Math.max(0, quantile(sorted, LOW)) / US_PER_MS,
      highMs: Math.max(0, quantile(sorted, HIGH)) / US_PER_MS,
    });
  }
  return { nodes, betweenMs: betweenUs(runs, outsideUs) / US_PER_MS };
}

/**
 * The middle of each gap by itself, summed: another program that takes the processor in one gap of each
 * run, here or there, is in no gap's middle.
 */
function betweenUs(runs: readonly TraceRun[], outsideUs: number): number {
  const gaps = new Map<CallKey, number[]>();
  const note = (key: CallKey, us: number) => {
    const known = gaps.get(key);
    if (known === undefined) gaps.set(key, [us]);
    else known.push(us);
  };
  for (const { startUs, tookUs, calls } of runs) {
    let before = startUs;
    for (const call of calls) {
      note(keyOf(call, ''), call.startUs - before);
      before = call.startUs + call.tookUs;
    }
    note('', startUs + tookUs - before);
  }
  let sum = 0;
  for (const us of gaps.values()) sum += quantile(sortNumbers(us), 0.5);
  return Math.max(0, sum - (gaps.size - 1) * outsideUs);
}

/** The middle of times, and between what eight in ten of them lie. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = sortNumbers(values);
  return {
    ms: quantile(sorted, 0.5),
    lowMs: quantile(sorted, LOW),
    highMs: quantile(sorted, HIGH),
  };
}

interface Sum {
  us: number;
  calls: number;
}

/** The time of each node without that of nodes inside it, nor of the trace of those. */
function sumRun(calls: readonly TraceCall[], outsideUs: number): ReadonlyMap<CallKey, Sum> {
  const sums = new Map<CallKey, Sum>();
  const add = (list: readonly TraceCall[], within: CallKey) => {
    for (const call of list) {
      const key = keyOf(call, within);
      const sum = sums.get(key) ?? { us: 0, calls: 0 };
      const inner = call.inner.reduce((total, { tookUs }) => total + tookUs + outsideUs, 0);
      sums.set(key, { us: sum.us + Math.max(0, call.tookUs - inner), calls: sum.calls + 1 });
      add(call.inner, key);
    }
  };
  add(calls, '');
  return sums;
}

/** The median of grouped data: where within its microsecond the middle lies, by how many are below. */
function middleOfTicks(sorted: readonly number[]): number {
  const middle = sorted[sorted.length >> 1] ?? 0;
  const below = sorted.findIndex((value) => value >= middle);
  const within = sorted.filter((value) => value === middle).length;
  return middle + ((sorted.length / 2 - below) / within) * TICK_US;
}

function sortNumbers(values: readonly number[]): readonly number[] {
  return [...values].sort((a, b) => a - b);
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
