import type { Bench } from './bench.ts';
import { type Load, type LoadReport, runLoad } from './load.ts';
import { median } from './statistics.ts';
import type { System } from './system.ts';

/** Medians over the rounds of one system. */
export interface Figures {
  readonly perSecond: number;
  readonly latencyMsP50: number;
  readonly latencyMsP99: number;
  readonly cpuMsPerEvent: number;
  readonly generatorCpuMsPerEvent: number;
  readonly lost: number;
}

export interface RoundsOptions {
  readonly title: string;
  readonly systems: readonly System[];
  load(system: System): Load;
  /** The reference's measurement, before the systems of each round. */
  reference?(): Promise<void>;
  /** Runs the system's measurement, with whatever is to be read before and after. */
  around?(system: System, measure: () => Promise<LoadReport>): Promise<LoadReport>;
}

/** Lets the reference and the systems take turns, so that a slow minute hits all of them alike. */
export async function measureRounds(
  bench: Bench,
  options: RoundsOptions,
): Promise<ReadonlyMap<string, Figures>> {
  const { title, systems, load, reference, around } = options;
  const reports = new Map<string, LoadReport[]>(systems.map(({ name }) => [name, []]));
  for (let round = 1; round <= bench.rounds; round += 1) {
    await reference?.();
    for (const system of systems) {
      const measure = () => runLoad(load(system), system.pids);
      const report = await (around === undefined ? measure() : around(system, measure));
      reports.get(system.name)!.push(report);
      const figures = figuresOf([report]);
      bench.say(`${title}, round ${round} of ${bench.rounds}: ${describe(system.name, figures)}`);
    }
  }
  return new Map([...reports].map(([name, all]) => [name, figuresOf(all)]));
}

function figuresOf(reports: readonly LoadReport[]): Figures {
  const of = (pick: (report: LoadReport) => number): number => median(reports.map(pick));
  return {
    perSecond: of((report) => report.perSecond),
    latencyMsP50: of((report) => report.latencyMs.p50 ?? Number.NaN),
    latencyMsP99: of((report) => report.latencyMs.p99 ?? Number.NaN),
    cpuMsPerEvent: of((report) => report.systemCpuMsPerEvent),
    generatorCpuMsPerEvent: of((report) => report.cpuMs / Math.max(1, report.results)),
    lost: reports.reduce((sum, report) => sum + report.lost, 0),
  };
}

function describe(name: string, figures: Figures): string {
  const { perSecond, latencyMsP50, latencyMsP99, cpuMsPerEvent } = figures;
  const latency = `p50 ${latencyMsP50.toFixed(2)} ms, p99 ${latencyMsP99.toFixed(2)} ms`;
  return `${name} ${perSecond.toFixed(0)}/s, ${latency}, ${cpuMsPerEvent.toFixed(3)} ms CPU each`;
}
