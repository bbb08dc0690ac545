import type { Random } from './toolbox/random.ts';
import type { Tally } from './toolbox/tally.ts';

/** How much of a scenario is run: `short` for every change, `long` for figures. */
export type Length = 'short' | 'long';

/** What a scenario gets. */
export interface Stage {
  readonly length: Length;
  readonly random: Random;
  /** A fresh folder of its own. */
  readonly folder: string;
  /** Of the soak. */
  readonly minutes: number;
  /** Says what happens, on stderr. */
  say(text: string): void;
  /** Runs when the scenario is over, last one first. */
  defer(undo: () => Promise<unknown> | unknown): void;
}

/** One thing that was checked, and how it came out. */
export interface Check {
  readonly what: string;
  readonly met: boolean;
}

export interface Outcome {
  readonly tally: Tally;
  /** What may be lost: only where files of the store were destroyed. Default 0. */
  readonly lostMax?: number;
  /** Beside the tally's own: nothing lost, nothing out of order, nothing foreign. */
  readonly checks: readonly Check[];
  /** Further figures for the table. */
  readonly figures: Readonly<Record<string, number | string>>;
}

export interface Scenario {
  readonly name: string;
  readonly summary: string;
  /** Why it cannot run on this machine; undefined where it can. */
  missing?(): string | undefined;
  run(stage: Stage): Promise<Outcome>;
}

/** What a scenario came to, as it is printed. */
export interface Report {
  readonly name: string;
  readonly published: number;
  readonly arrived: number;
  readonly lost: number;
  readonly duplicates: number;
  readonly disordered: number;
  readonly deadLettered: number;
  readonly seconds: number;
  /** Null where it could not run here. */
  readonly met: boolean | null;
  readonly unmet: readonly string[];
  readonly figures: Readonly<Record<string, number | string>>;
  readonly skipped?: string;
}

/** Judges an outcome: every check, and that nothing was lost, swapped or made up. */
export function judge(name: string, outcome: Outcome, ms: number): Report {
  const { tally, checks, figures, lostMax = 0 } = outcome;
  const all: readonly Check[] = [
    { what: 'events were published', met: tally.published > 0 },
    { what: `at most ${lostMax} lost (${tally.lostIds().join(', ')})`, met: tally.lost <= lostMax },
    { what: 'first arrivals in order for each topic', met: tally.disordered === 0 },
    { what: 'no result of an event that nobody sent', met: tally.foreign === 0 },
    ...checks,
  ];
  const unmet = all.filter(({ met }) => !met).map(({ what }) => what);
  return {
    name,
    published: tally.published,
    arrived: tally.arrived,
    lost: tally.lost,
    duplicates: tally.duplicates,
    disordered: tally.disordered,
    deadLettered: tally.deadLettered,
    seconds: Math.round(ms / 100) / 10,
    met: unmet.length === 0,
    unmet,
    figures: { ...figures, ...dropFigures(tally) },
  };
}

/** The report of a scenario that ended by an error, or could not run here. */
export function emptyReport(name: string, why: string, kind: 'failed' | 'skipped'): Report {
  const nothing = { published: 0, arrived: 0, lost: 0, duplicates: 0, disordered: 0 };
  const failed = kind === 'failed';
  return {
    name,
    ...nothing,
    deadLettered: 0,
    seconds: 0,
    met: failed ? false : null,
    unmet: failed ? [why] : [],
    figures: {},
    ...(!failed && { skipped: why }),
  };
}

function dropFigures({ dropped }: Tally): Record<string, number> {
  const entries = Object.entries(dropped);
  return Object.fromEntries(entries.map(([reason, count]) => [`dropped ${reason}`, count]));
}
