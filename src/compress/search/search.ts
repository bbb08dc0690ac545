import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Evaluate } from '../../evaluate/evaluation.ts';
import type { InputPart } from '../../infer/protocol.ts';
import { makeSamples, openSource } from '../apply-recipe.ts';
import type { BoardLimits } from '../board-limits.ts';
import type { Recipe } from '../recipe.ts';
import { type Budget, formatBudget } from './budget.ts';
import {
  candidateRecipe,
  candidateRecipes,
  prunedRecipes,
  type RecipeBase,
} from './candidate-recipes.ts';
import { type Candidate, openCandidateBench } from './measure-candidate.ts';
import { mixPrecisions } from './mixed-precision.ts';
import { paretoSet } from './pareto.ts';
import type { CandidateReport, SearchReport } from './search-report.ts';
import { type Figures, isQuality, missesOf, shortfall } from './verdict.ts';

/** Twice what the list of recipes and two walks through the layers take. */
export const CANDIDATES_MAX = 64;
export const CANDIDATES = 40;
/** A search is waited for. */
export const MINUTES = 10;
const MINUTE_MS = 60_000;
/** Times that differ by less are the same: short measurements vary so much. */
const LATENCY_STEP = 0.05;
/** Sizes that differ by less are the same: a few bytes of names and factors are no reason. */
const SIZE_STEP = 0.02;
/** Outputs without noise, where noise stands for accuracy. */
const SQNR_DB_MAX = 200;

export interface SearchOptions {
  readonly file: string;
  readonly budget: Budget;
  /** Recorded inputs; without them they are made as the recipe says. */
  readonly samples?: readonly (readonly InputPart[])[];
  /** A recipe that is a candidate too, and whose samples and chunks all have. */
  readonly given?: Recipe;
  readonly board?: BoardLimits;
  readonly narrow: boolean;
  /** On data that the report's accuracy is not measured on. */
  readonly evaluate?: Evaluate;
  readonly chosenBy: string;
  readonly candidatesMax: number;
  readonly minutesMax: number;
  readonly signal: AbortSignal;
  readonly onCandidate?: (name: string) => void;
}

/** What was found: the recipe that holds the budget, if one does. */
export interface SearchOutcome {
  readonly report: SearchReport;
  readonly recipe: Recipe | undefined;
}

/**
 * Tries recipes, and precisions layer by layer, and takes the smallest that holds the budget; the
 * fastest, where the budget is about latency and not about size. Writes nothing that stays.
 */
export async function searchRecipes(options: SearchOptions): Promise<SearchOutcome> {
  const { budget, given, board, signal } = options;
  const source = await openSource(options.file);
  const base: RecipeBase = {
    narrow: options.narrow,
    half: board?.precision.includes('fp16') ?? true,
    ...(given && { samples: given.samples }),
    ...(given?.chunk && { chunk: given.chunk }),
  };
  const plain = given ?? candidateRecipe('clean', [], base);
  const samples = options.samples ?? makeSamples(source.graph, plain);
  const scratch = await mkdtemp(join(tmpdir(), 'ledge-search-'));
  const measured: Candidate[] = [];
  const skipped: { name: string; reason: string }[] = [];
  const end = performance.now() + options.minutesMax * MINUTE_MS;
  let endedBy: SearchReport['endedBy'];
  try {
    await using bench = await openCandidateBench({ ...options, source, samples, scratch });
    const consider = async (recipe: Recipe): Promise<Candidate | false | undefined> => {
      if (measured.length + skipped.length >= options.candidatesMax) endedBy = 'candidates';
      if (performance.now() > end) endedBy = 'minutes';
      if (endedBy !== undefined) return undefined;
      signal.throwIfAborted();
      options.onCandidate?.(recipe.name);
      const tried = await bench.measure(recipe);
      if (tried.kind === 'measured') measured.push(tried.candidate);
      else skipped.push({ name: recipe.name, reason: tried.reason });
      return tried.kind === 'measured' && tried.candidate;
    };
    for (const recipe of [...(given ? [given] : []), ...candidateRecipes(base)]) {
      await consider(recipe);
    }
    const quality = budget.filter(isQuality);
    const isGood = ({ figures }: Candidate) => missesOf(quality, figures).length === 0;
    const mixing = { source, samples, scratch, signal, base, measured, consider, isGood };
    if (endedBy === undefined) await mixPrecisions(mixing);
    for (const recipe of prunedRecipes(base)) await consider(recipe);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return conclude(measured, { ...options, skipped, endedBy });
}

interface Concluding extends SearchOptions {
  readonly skipped: SearchReport['skipped'];
  readonly endedBy: SearchReport['endedBy'];
}

function conclude(measured: readonly Candidate[], options: Concluding): SearchOutcome {
  const { budget, chosenBy, skipped, endedBy } = options;
  const least = Math.min(...measured.map(({ figures }) => figures.sizeBytes));
  const inSet = paretoSet(measured.map(({ figures }) => costsOf(figures, least)));
  const candidates = measured.map(
    ({ recipe, formats, figures }, at): CandidateReport => ({
      name: recipe.name,
      formats,
      ...figures,
      pareto: inSet[at] === true,
      misses: missesOf(budget, figures),
    }),
  );
  const chosen = preferred(
    candidates.filter(({ misses }) => misses.length === 0),
    budget,
  );
  const nearest = candidates.toSorted((a, b) => shortfall(a.misses) - shortfall(b.misses))[0];
  const report: SearchReport = {
    budget: formatBudget(budget),
    candidates,
    skipped,
    chosenBy,
    ...(chosen ? { chosen: chosen.name } : nearest && { nearest: nearest.name }),
    ...(endedBy && { endedBy }),
  };
  const recipe = measured.find((one) => one.recipe.name === chosen?.name)?.recipe;
  return { report, recipe };
}

function costsOf(figures: Figures, least: number): readonly number[] {
  const { sizeBytes, latencyRatio, accuracy, sqnrDb } = figures;
  const size = Math.floor(Math.log(sizeBytes / least) / Math.log(1 + SIZE_STEP));
  const time = Math.round(latencyRatio / LATENCY_STEP);
  return [size, time, -(accuracy ?? Math.min(sqnrDb, SQNR_DB_MAX))];
}

/**
 * The smallest, or the fastest where only latency is asked for; of those that are nearly as small or
 * fast one of the Pareto set, and of these the one with the least noise.
 */
function preferred(
  candidates: readonly CandidateReport[],
  budget: Budget,
): CandidateReport | undefined {
  const kinds = budget.map(({ kind }) => kind);
  const fastest = kinds.includes('latency') && !kinds.includes('size');
  const cost = (one: CandidateReport) => (fastest ? one.latencyRatio : one.sizeBytes);
  const limit = Math.min(...candidates.map(cost)) * (1 + (fastest ? LATENCY_STEP : SIZE_STEP));
  const noise = (one: CandidateReport) => -Math.min(one.sqnrDb, SQNR_DB_MAX);
  return candidates
    .filter((one) => cost(one) <= limit)
    .sort((a, b) => Number(b.pareto) - Number(a.pareto) || noise(a) - noise(b))[0];
}
