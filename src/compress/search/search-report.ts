import { bytesText } from '../bytes-text.ts';
import type { Figures, Miss } from './verdict.ts';

/** One recipe that was tried. */
export interface CandidateReport extends Figures {
  readonly name: string;
  /** Number formats of its weights. */
  readonly formats: readonly string[];
  /** Whether no other is as small, as fast and as accurate, and better in one of them. */
  readonly pareto: boolean;
  /** The terms of the budget that it misses; none where it holds. */
  readonly misses: readonly Miss[];
}

/** What a search for a recipe tried, and what it chose. */
export interface SearchReport {
  readonly budget: string;
  readonly candidates: readonly CandidateReport[];
  /** What could not be tried, was the same as another, or is not for the board. */
  readonly skipped: readonly { readonly name: string; readonly reason: string }[];
  /** What the accuracy of the candidates was measured on. */
  readonly chosenBy: string;
  readonly chosen?: string;
  /** Where none holds the budget: the one that misses it by least. */
  readonly nearest?: string;
  /** Said where the chosen one misses the budget on the events it was not chosen by, as chance can. */
  readonly doubt?: string;
  /** The limit that ended the search before all was tried. */
  readonly endedBy?: 'candidates' | 'minutes';
}

/** The candidates as rows for a table. */
export function searchRows(report: SearchReport): readonly Readonly<Record<string, string>>[] {
  return report.candidates.map((one) => ({
    candidate: one.name,
    size: bytesText(one.sizeBytes),
    time: `${one.latencyRatio.toFixed(2)}x`,
    ...(one.accuracy !== undefined && {
      accuracy: `${(100 * one.accuracy).toFixed(1)} %`,
      change: `${one.changePp?.toFixed(2)} pp`,
    }),
    sqnr: Number.isFinite(one.sqnrDb) ? `${one.sqnrDb.toFixed(1)} dB` : 'no noise',
    memory: bytesText(one.memoryBytes),
    pareto: one.pareto ? 'yes' : '',
    budget: verdictText(one, report),
  }));
}

function verdictText({ name, misses }: CandidateReport, { chosen, nearest }: SearchReport): string {
  if (name === chosen) return 'chosen';
  if (misses.length === 0) return 'holds';
  const missed = `misses ${misses.map(({ term, found }) => `${term} (${found})`).join(', ')}`;
  return name === nearest ? `nearest: ${missed}` : missed;
}

/** What was not measured, by reason. */
export function skippedLines({ skipped }: SearchReport): readonly string[] {
  return [...new Set(skipped.map(({ reason }) => reason))].map((reason) => {
    const names = skipped.filter((one) => one.reason === reason).map(({ name }) => name);
    return `${names.join(', ')}: ${reason}`;
  });
}

/** The search as a section of Markdown. */
export function formatSearch(report: SearchReport): readonly string[] {
  const rows = searchRows(report);
  const columns = Object.keys(rows[0] ?? {});
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [
    '## Candidates',
    '',
    `Budget: \`${report.budget}\`. ${report.chosenBy}`,
    'Pareto: no other is as small, as fast and as accurate, and better in one of them; sizes',
    'within 2 % and times within 0.05x are equal. Times of candidates are shorter measurements.',
    '',
    ...(columns.length > 0 ? [line(columns), line(columns.map(() => '---'))] : []),
    ...rows.map((row) => line(columns.map((column) => row[column] ?? ''))),
    '',
    ...(report.doubt ? [report.doubt, ''] : []),
    ...skippedLines(report).map((text) => `- ${text}`),
    ...(report.endedBy ? [`- the search ended by its limit of ${report.endedBy}`] : []),
    '',
  ];
}
