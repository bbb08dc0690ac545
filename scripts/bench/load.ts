import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Protocol } from './mqtt-frame.ts';
import { cpuMs } from './process-tree.ts';

/** What the load generator sends and what it waits for. */
export interface Load {
  /** mqtt://127.0.0.1:1883 */
  readonly url: string;
  readonly protocol: Protocol;
  readonly qos: 0 | 1;
  /** Topic of the events, with {device}. */
  readonly publish: string;
  /** Filters of the results; the device is their topic's last segment. */
  readonly results: readonly string[];
  readonly payload: { readonly floats: number } | { readonly file: string };
  /** The devices take turns: d0, d1, ... (open loop on MQTT 3.1.1: each event has its own). */
  readonly devices: number;
  readonly pace: Pace;
  readonly warmupMs: number;
  readonly durationMs: number;
}

export type Pace =
  /** So many events are always on their way, each of another device. */
  | { readonly kind: 'closed'; readonly inFlight: number }
  /** So many events a second, whether results come or not; latency counts from the due time. */
  | { readonly kind: 'open'; readonly perSecond: number; readonly drainMs: number };

/** What came back while it was measured (the warm-up is not counted). */
export interface LoadResult {
  readonly sent: number;
  /** All events of the plan, the warm-up included: what losses and drops are counted of. */
  readonly offered: number;
  readonly results: number;
  readonly perSecond: number;
  readonly latencyMs: Latency;
  /** How late the generator itself sent, against its plan (open loop). */
  readonly sendLagMsP99: number | null;
  /** Results that came later than `drainMs` after the last event was due. */
  readonly late: number;
  /** Sent, and neither a result, nor a declared drop, nor a dead letter ever came back. */
  readonly lost: number;
  /** Drops that the system under test published, by reason. */
  readonly declared: Readonly<Record<string, number>>;
  /** Never taken by the broker: it did not read as fast as events were due. */
  readonly unsent: number;
  readonly cpuMs: number;
}

/** Null where nothing came back. */
export interface Latency {
  readonly p50: number | null;
  readonly p95: number | null;
  readonly p99: number | null;
  readonly max: number | null;
}

/** A load's outcome with the CPU time of the processes that served it. */
export interface LoadReport extends LoadResult {
  /** CPU milliseconds of the system under test, its broker included, while it was measured. */
  readonly systemCpuMs: number;
  readonly systemCpuMsPerEvent: number;
}

/** What the generator tells its parent, one JSON line each. */
export type GeneratorLine =
  | { readonly kind: 'measuring' }
  | { readonly kind: 'sent' }
  | { readonly kind: 'done'; readonly result: LoadResult };

const GENERATOR = fileURLToPath(new URL('generator.ts', import.meta.url));

/** Runs the generator in its own process. `pids`: the processes of the system under test. */
export async function runLoad(load: Load, pids: readonly number[]): Promise<LoadReport> {
  const program = spawn(process.execPath, ['--import', 'tsx', GENERATOR, JSON.stringify(load)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(program, 'exit');
  let before = 0;
  let result: LoadResult | undefined;
  let systemCpuMs = 0;
  for await (const text of createInterface({ input: program.stdout })) {
    const line = JSON.parse(text) as GeneratorLine;
    if (line.kind === 'measuring') before = cpuMs(pids);
    else if (line.kind === 'sent') systemCpuMs = cpuMs(pids) - before;
    else result = line.result;
  }
  const [code] = await exited;
  if (result === undefined) throw new Error(`The load generator ended with ${code} and no result`);
  const systemCpuMsPerEvent = systemCpuMs / Math.max(1, result.results);
  return { ...result, systemCpuMs, systemCpuMsPerEvent };
}
