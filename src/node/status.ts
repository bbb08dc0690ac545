import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { EmbeddedBus } from '../bus/broker.ts';
import type { ExternalBus } from '../bus/client.ts';
import type { Board } from '../devices/board.ts';
import type { Journal } from '../store/journal.ts';
import type { Store } from '../store/store.ts';
import type { FlowRunner } from './flow-runner.ts';
import { laddersOf } from './flow-status.ts';
import type { Flows } from './flows.ts';

/** Resolution of the event-loop histogram, milliseconds. */
const LOOP_RESOLUTION_MS = 10;
/** Devices named on bridge/devices: a page of them; the count is told whole. */
const DEVICES_NAMED_MAX = 1000;

/** What a node can tell of itself at any time. */
export interface Status {
  info(): object;
  /** Figures since the last call, so that one caller at a time sets the pace. */
  health(): object;
  devices(): object;
  /** Adds a list under `name` to what `devices` gives. */
  tellDevices(name: string, list: () => readonly object[]): void;
  close(): void;
}

export interface StatusOptions {
  readonly node: string;
  readonly version: string;
  readonly bus: EmbeddedBus | ExternalBus;
  readonly board: Board;
  readonly pool: { stats(): object; readonly memoryBytes: number; readonly memoryBytesMax: number };
  readonly flows: Flows;
  readonly store: Store;
  readonly journal: Journal;
}

/** Gathers figures of the process, the broker, the flows and the models. */
export function createStatus(options: StatusOptions): Status {
  const { node, version, bus, board, pool, flows, store, journal } = options;
  const startedAt = Date.now();
  const loop = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  loop.enable();
  const told = new Map<string, () => readonly object[]>();
  let cpu = process.cpuUsage();
  let cpuAt = performance.now();

  function eventLoop(): object {
    const delay = (nanoseconds: number) =>
      Math.max(0, Math.round(nanoseconds / 1e4) / 100 - LOOP_RESOLUTION_MS);
    const figures = {
      p50Ms: delay(loop.percentile(50)),
      p99Ms: delay(loop.percentile(99)),
      maxMs: delay(loop.max),
    };
    loop.reset();
    return figures;
  }

  /** CPU time per wall time since the last call: 1 is one core fully used. */
  function cpuShare(): number {
    const now = performance.now();
    const used = process.cpuUsage(cpu);
    const share = (used.user + used.system) / 1e3 / Math.max(1, now - cpuAt);
    cpu = process.cpuUsage();
    cpuAt = now;
    return Math.round(share * 1e3) / 1e3;
  }

  return {
    info: () => ({
      node,
      version,
      nodejs: process.version,
      board: {
        name: board.name,
        title: board.title,
        cores: board.cores,
        memoryBytes: board.memoryBytes,
      },
      broker: { kind: bus.kind, address: bus.address },
      startedAt,
    }),
    health: () => ({
      ts: Date.now(),
      uptimeSeconds: Math.round((Date.now() - startedAt) / 1e3),
      broker: {
        ...{ kind: bus.kind, state: bus.state },
        ...(bus.kind === 'embedded' && { sessions: bus.sessions }),
      },
      store: storeHealth(store, journal),
      cpuShare: cpuShare(),
      memory: {
        rssBytes: process.memoryUsage.rss(),
        modelBytes: pool.memoryBytes,
        modelBytesMax: pool.memoryBytesMax,
      },
      eventLoop: eventLoop(),
      flows: Object.fromEntries(
        flows.runners().map((runner) => [runner.loaded.parts.name, flowHealth(runner)]),
      ),
      inference: pool.stats(),
    }),
    devices() {
      const named: { device: string; flow: string }[] = [];
      let count = 0;
      for (const { plan } of flows.runners()) {
        count += plan.deviceCount;
        for (const device of plan.devices) {
          if (named.length >= DEVICES_NAMED_MAX) break;
          named.push({ device, flow: plan.name });
        }
      }
      const lists = [...told].map(([name, list]) => [name, list()]);
      return { count, devices: named, ...Object.fromEntries(lists) };
    },
    tellDevices(name, list) {
      told.set(name, list);
    },
    close: () => loop.disable(),
  };
}

function storeHealth(store: Store, journal: Journal): object {
  const counts = journal.flows().map((flow) => journal.count(flow));
  return {
    state: store.state,
    ...(store.problem !== undefined && { problem: store.problem.message }),
    damaged: store.quarantined.length,
    journal: {
      events: counts.reduce((sum, { events }) => sum + events, 0),
      bytes: counts.reduce((sum, { bytes }) => sum + bytes, 0),
    },
  };
}

function flowHealth({ counts, queued, plan }: FlowRunner): object {
  const steps = plan.steps.map(({ stage, count, compiled: { figures } }) => ({
    stage,
    calls: count.calls,
    meanMs: count.calls === 0 ? 0 : Math.round((count.totalMs / count.calls) * 1e3) / 1e3,
    ...(figures !== undefined && { figures }),
  }));
  const { deviceCount: devices, memoryBytes } = plan;
  return { ...counts, queued, devices, memoryBytes, ...laddersOf(plan), steps };
}
