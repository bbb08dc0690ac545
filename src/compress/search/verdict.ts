import { type Budget, type BudgetTerm, formatTerm } from './budget.ts';

/** What was measured of a candidate. */
export interface Figures {
  readonly sizeBytes: number;
  /** Time after through time before, the middle of all rounds. */
  readonly latencyRatio: number;
  /** At the highest point of loading and the first run. */
  readonly memoryBytes: number;
  /** Signal to noise at the outputs; infinite where nothing differs. */
  readonly sqnrDb: number;
  /** Of the flow, from 0 to 1, and its change; undefined where only a model was given. */
  readonly accuracy?: number;
  readonly changePp?: number;
  /** Own tests of the flow that passed before and do not any more. */
  readonly testsLost?: number;
}

/** A term that is missed. */
export interface Miss {
  readonly term: string;
  /** The figure in its place, as the report tells it. */
  readonly found: string;
  /** How far it is missed: 1 is a percentage point, ten decibels, or the limit once more. */
  readonly by: number;
}

/** Decibels that weigh as much as the whole of a size: a noise of a third. */
const DECIBELS_PER_MISS = 10;
const OWN_TESTS = 'own tests';
/** Shares of few events come out of divisions: an equal figure must not miss by its last bit. */
const ROUNDING = 1e-9;

/**
 * The terms that figures miss; none where they hold the budget. One about accuracy asks for the
 * flow's own tests as well: a flow that fails them is broken, whatever its share of other events.
 */
export function missesOf(budget: Budget, figures: Figures): readonly Miss[] {
  const misses = budget.flatMap((term) => {
    const { by, found } = measure(term, figures);
    return by > ROUNDING ? [{ term: formatTerm(term), found, by }] : [];
  });
  const { testsLost = 0 } = figures;
  const asked = budget.some(({ kind }) => kind === 'accuracy');
  if (!asked || testsLost === 0) return misses;
  return [...misses, { term: OWN_TESTS, found: `${testsLost} lost`, by: testsLost }];
}

function measure(term: BudgetTerm, figures: Figures): { by: number; found: string } {
  if ('changePpMin' in term) {
    const change = figures.changePp;
    if (change === undefined) return unmeasured();
    return { by: term.changePpMin - change, found: `${change.toFixed(2)}pp` };
  }
  if ('percentMin' in term) {
    if (figures.accuracy === undefined) return unmeasured();
    const percent = 100 * figures.accuracy;
    return { by: term.percentMin - percent, found: `${percent.toFixed(1)}%` };
  }
  if ('decibelsMin' in term) {
    const by = (term.decibelsMin - figures.sqnrDb) / DECIBELS_PER_MISS;
    return { by, found: `${figures.sqnrDb.toFixed(1)}dB` };
  }
  if ('ratioMax' in term) {
    const by = figures.latencyRatio / term.ratioMax - 1;
    return { by, found: `${figures.latencyRatio.toFixed(2)}x` };
  }
  const bytes = term.kind === 'size' ? figures.sizeBytes : figures.memoryBytes;
  return { by: bytes / term.bytesMax - 1, found: `${bytes}B` };
}

function unmeasured() {
  return { by: Number.POSITIVE_INFINITY, found: 'not measured' };
}

/** Whether a term is about what the model says, not about what it costs. */
export function isQuality({ kind }: BudgetTerm): boolean {
  return kind === 'accuracy' || kind === 'sqnr';
}

/** How far a budget is missed in all. */
export function shortfall(misses: readonly Miss[]): number {
  return misses.reduce((sum, { by }) => sum + by, 0);
}
