import { basename, dirname, join, resolve } from 'node:path';
import type { BoardLimits } from '../compress/board-limits.ts';
import { loadRecipe, type Recipe, recipeText } from '../compress/recipe.ts';
import { type CompressReport, formatReport } from '../compress/report.ts';
import { compressModel, type Searched } from '../compress/run.ts';
import { type Budget, parseBudget } from '../compress/search/budget.ts';
import { paretoPlot } from '../compress/search/pareto-plot.ts';
import { CANDIDATES, CANDIDATES_MAX, MINUTES, searchRecipes } from '../compress/search/search.ts';
import { type SearchReport, searchRows, skippedLines } from '../compress/search/search-report.ts';
import { loadBoard } from '../devices/board.ts';
import { MANIFEST_FILE } from '../models/store.ts';
import { LedgeError } from '../std/error.ts';
import type { Arguments, Terminal } from './command.ts';
import { compressedManifest } from './compress-manifest.ts';
import { type CompressSource, openCompressSource } from './compress-source.ts';
import { configOf } from './node-options.ts';
import { overflowsSigned } from './processor.ts';
import { startProgress } from './progress.ts';
import { formatTable } from './table.ts';

/** A search that is left alone overnight. */
const MINUTES_MAX = 1440;
/** Steps of a run beside the passes: verify, evaluate, compare layers. */
const STEPS_BESIDE = 3;
/** Where a board's own figure is wanted, whatever this machine has. */
const ANY_MACHINE = { totalMemoryBytes: Number.MAX_SAFE_INTEGER, cores: 1024 };

interface Job {
  readonly source: CompressSource;
  readonly board: BoardLimits | undefined;
  readonly recipe: Recipe | undefined;
  readonly budget: Budget | undefined;
  readonly out: string;
  readonly args: Arguments;
  readonly terminal: Terminal;
}

/** Compresses what a command line names; gives the exit code. */
export async function compressTarget(
  target: string,
  args: Arguments,
  terminal: Terminal,
): Promise<number> {
  const { recipe: given, out, data, board, ...values } = args.values;
  const recipe = typeof given === 'string' ? await loadRecipe(given) : undefined;
  const budget = typeof values.budget === 'string' ? parseBudget(values.budget) : undefined;
  const limits = budget && limitsOf(args);
  // --data and --board mean something else to a node.
  const config = await configOf({ ...args, values });
  const boardLimits = typeof board === 'string' ? await limitsOfBoard(board) : undefined;
  const folder = (value: unknown) => (typeof value === 'string' ? resolve(value) : undefined);
  const [told, calibrate, choose] = [data, values.calibrate, values.choose].map(folder);
  try {
    await using source = await openCompressSource(target, {
      config,
      signal: terminal.signal,
      searches: budget !== undefined,
      ...(told && { data: told }),
      ...(calibrate && { calibrate }),
      ...(choose && { choose }),
    });
    const named = budget === undefined ? basename(String(given)).replace(/\.ya?ml$/, '') : 'budget';
    const beside = join(dirname(source.file), `compressed-${named}`);
    const place = typeof out === 'string' ? out : beside;
    const job = { source, board: boardLimits, recipe, budget, out: place, args, terminal };
    if (limits !== undefined) return await runSearch(job, limits);
    return recipe === undefined ? 2 : await runRecipe({ ...job, recipe });
  } catch (error) {
    if (terminal.signal.aborted) throw new LedgeError('closed', 'Stopped; nothing was written');
    throw error;
  }
}

interface Limits {
  readonly candidatesMax: number;
  readonly minutesMax: number;
}

function limitsOf({ values }: Arguments): Limits {
  return {
    candidatesMax: Math.floor(
      numberOf('candidates', values.candidates, [CANDIDATES, CANDIDATES_MAX]),
    ),
    minutesMax: numberOf('minutes', values.minutes, [MINUTES, MINUTES_MAX]),
  };
}

function numberOf(name: string, given: unknown, [otherwise, max]: readonly [number, number]) {
  if (given === undefined) return otherwise;
  const value = Number(given);
  if (value > 0 && value <= max) return value;
  const state = `${JSON.stringify(given)} is no number above 0 and up to ${max}`;
  throw new LedgeError('config-invalid', `Cannot use --${name}: ${state}`);
}

/** A board's own figures; those of this machine where its file names none. */
async function limitsOfBoard(board: string): Promise<BoardLimits> {
  const found = await loadBoard(board, ANY_MACHINE);
  return found.memoryBytes < ANY_MACHINE.totalMemoryBytes ? found : loadBoard(board);
}

/** Tries recipes, then runs the one that holds the budget. */
async function runSearch(job: Job, limits: Limits): Promise<number> {
  const { source, board, terminal, args, recipe: given, budget = [] } = job;
  if (source.choose === undefined && budget.some(({ kind }) => kind === 'accuracy')) {
    const state = `${source.file} is a model alone, which has no accuracy; use sqnr`;
    throw new LedgeError('config-invalid', `Cannot search by accuracy: ${state}`);
  }
  const progress = startProgress(terminal, limits.candidatesMax);
  const { report, recipe } = await searchRecipes({
    ...limits,
    file: source.file,
    budget,
    narrow: await overflowsSigned(board?.architecture ?? process.arch),
    chosenBy: source.chosenBy,
    signal: terminal.signal,
    onCandidate: (name) => progress.step(name),
    ...(source.samples && { samples: source.samples }),
    ...(source.choose && { evaluate: source.choose }),
    ...(given && { given }),
    ...(board && { board }),
  }).finally(() => progress.end());
  if (recipe === undefined) {
    terminal.stderr.write(tableOf(report));
    if (args.values.json === true) terminal.stdout.write(`${JSON.stringify({ search: report })}\n`);
    const near = report.nearest === undefined ? '' : `; the nearest is ${report.nearest}`;
    const state = `none of ${report.candidates.length} candidates holds ${report.budget}`;
    terminal.stderr.write(`ledge: Cannot keep the budget: ${state}${near}; nothing was written\n`);
    return 1;
  }
  return runRecipe({ ...job, recipe }, { report, budget }).catch((error: unknown) => {
    terminal.stderr.write(tableOf(report));
    throw error;
  });
}

function tableOf(report: SearchReport): string {
  const skipped = skippedLines(report).map((text) => `not tried, ${text}\n`);
  return [formatTable(searchRows(report)), ...skipped].join('');
}

async function runRecipe(
  job: Job & { readonly recipe: Recipe },
  search?: Searched,
): Promise<number> {
  const { source, board, recipe, out, args, terminal } = job;
  const progress = startProgress(terminal, recipe.passes.length + STEPS_BESIDE);
  const report = await compressModel({
    file: source.file,
    recipe,
    out,
    signal: terminal.signal,
    onStep: (what) => progress.step(what),
    beside: (done) => besideOf(done, job),
    ...(search && { search }),
    ...(source.samples && { samples: source.samples }),
    ...(source.tell && { evaluate: source.tell }),
    ...(board && { board }),
  }).finally(() => progress.end());
  if (report.search?.doubt !== undefined) terminal.stderr.write(`ledge: ${report.search.doubt}\n`);
  if (args.values.json === true) terminal.stdout.write(`${JSON.stringify(report)}\n`);
  else terminal.stdout.write(`${formatReport(report)}\nWritten to ${resolve(out)}\n`);
  return 0;
}

/** A manifest where the model had one, and of a search its picture and the recipe to repeat it. */
function besideOf(
  report: CompressReport,
  { source, recipe, args }: Job & { readonly recipe: Recipe },
): ReadonlyMap<string, string> {
  const data = typeof args.values.data === 'string' ? args.values.data : undefined;
  return new Map([
    ...(source.model
      ? [[MANIFEST_FILE, compressedManifest(source.model, report, data)] as const]
      : []),
    ...(report.search
      ? [
          ['pareto.svg', paretoPlot(report.search)] as const,
          ['recipe.yaml', recipeText(recipe)] as const,
        ]
      : []),
  ]);
}
