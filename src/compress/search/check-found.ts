import type { Accuracy } from '../../evaluate/accuracy.ts';
import { LedgeError } from '../../std/error.ts';
import type { CompressReport } from '../report.ts';
import { type Budget, type BudgetTerm, formatTerm } from './budget.ts';
import { type Miss, missesOf } from './verdict.ts';

/**
 * What is to be said of a found recipe once it was measured whole, on events that it was not chosen
 * by. A budget that some other events miss is doubted where chance can do that, and refused where it
 * cannot. Throws `model-refused`.
 */
export function checkFound(budget: Budget, report: CompressReport): string | undefined {
  const { size, latency, load, error, accuracy, tests, recipe } = report;
  const figures = {
    sizeBytes: size.after,
    latencyRatio: 1 / latency.speedup,
    memoryBytes: load.after.peakBytes,
    sqnrDb: error.sqnrDb,
    ...(accuracy && { accuracy: accuracy.after.value, changePp: accuracy.changePp }),
    ...(tests && { testsLost: tests.lost }),
  };
  const misses = missesOf(budget, figures);
  if (misses.length === 0) return undefined;
  const byChance = budget.filter((term) => isChance(term, accuracy)).map(formatTerm);
  const certain = misses.filter(({ term }) => !byChance.includes(term));
  if (certain.length > 0) {
    const state = `"${recipe}" held it in the search, and misses ${told(certain, accuracy)}`;
    throw new LedgeError('model-refused', `Cannot keep the budget: ${state}; nothing was written`, {
      context: { recipe, misses: certain },
    });
  }
  const missed = told(misses, accuracy);
  return `"${recipe}" held the budget in the search, and misses ${missed}: chance can do that.`;
}

function told(misses: readonly Miss[], accuracy: Accuracy | undefined): string {
  let events = '';
  if (accuracy?.source === 'data') {
    const { count, lost, gained } = accuracy;
    events = ` on ${count} events it was not chosen by (${lost} lost, ${gained} gained)`;
  }
  return misses
    .map(({ term, found }) => `${term} (${found})${term.startsWith('accuracy') ? events : ''}`)
    .join(', ');
}

/** Whether a figure misses by no more than one standard deviation of what so few events tell. */
function isChance(term: BudgetTerm, accuracy: Accuracy | undefined): boolean {
  if (accuracy === undefined || accuracy.source !== 'data') return false;
  const { changePp, lost, gained, count, after } = accuracy;
  // Events that changed are so many coins thrown: their difference varies by the root of their number.
  const deviation = (100 * Math.sqrt(lost + gained)) / count;
  if ('changePpMin' in term) return changePp + deviation >= term.changePpMin;
  if ('percentMin' in term) return 100 * after.value + deviation >= term.percentMin;
  return false;
}
