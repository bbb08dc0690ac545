import { significant } from './statistics.ts';

/** One line of the table. Numbers are null where the row only tells, or was skipped. */
export interface Row {
  readonly name: string;
  /** What Ledge is held against, in `unit`. */
  readonly reference: number | null;
  readonly ledge: number | null;
  readonly unit: string;
  /** ledge / reference. */
  readonly ratio: number | null;
  /** The bound of what `judged` says; null where the row only tells. */
  readonly target: number | null;
  readonly met: boolean | null;
  /** Which figure is held against the target, and how. */
  readonly judged: Judgement | 'told';
  /** What the reference is, settings, or why the row was skipped. */
  readonly note: string;
}

export type Judgement =
  | 'ratio >='
  | 'ratio <='
  | 'ledge >='
  | 'ledge <='
  | 'ledge <'
  | 'difference <='; // ledge - reference

export interface Measured {
  readonly name: string;
  readonly unit: string;
  readonly ledge: number;
  readonly reference?: number;
  readonly judged?: Judgement;
  readonly target?: number;
  readonly note?: string;
}

/** Judges a measured row. A figure that is no number never meets its target. */
export function createRow(measured: Measured): Row {
  const { name, unit, ledge, reference, judged, target, note = '' } = measured;
  const ratio = reference === undefined ? Number.NaN : ledge / reference;
  const known = judged !== undefined && target !== undefined;
  const figures = { ledge, ratio, difference: ledge - (reference ?? Number.NaN) };
  return {
    name,
    reference: number(reference ?? Number.NaN),
    ledge: number(ledge),
    unit,
    ratio: number(ratio),
    target: target ?? null,
    met: known ? meets(figures, judged, target) : null,
    judged: known ? judged : 'told',
    note,
  };
}

/** A row that could not be measured here, with the reason. */
export function skippedRow(name: string, unit: string, reason: string): Row {
  const nothing = { reference: null, ledge: null, ratio: null, target: null, met: null };
  return { name, unit, ...nothing, judged: 'told', note: `SKIPPED: ${reason}` };
}

/** The rows as a table of aligned columns. */
export function formatRows(rows: readonly Row[]): string {
  const head = ['row', 'reference', 'ledge', 'unit', 'ratio', 'target', 'met', 'note'];
  const lines = rows.map((row) => [
    row.name,
    text(row.reference),
    text(row.ledge),
    row.unit,
    text(row.ratio),
    row.target === null ? '' : `${row.judged} ${row.target}`,
    row.met === null ? '' : row.met ? 'yes' : 'NO',
    row.note,
  ]);
  const table = [head, ...lines];
  const widths = head.map((_, column) => Math.max(...table.map((line) => line[column]!.length)));
  const format = (line: readonly string[]) =>
    line
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd();
  return `${table.map(format).join('\n')}\n`;
}

function meets(
  figures: Readonly<Record<'ledge' | 'ratio' | 'difference', number>>,
  judged: Judgement,
  target: number,
): boolean {
  const [figure, comparison] = judged.split(' ') as ['ledge' | 'ratio' | 'difference', string];
  const value = figures[figure];
  if (comparison === '>=') return value >= target;
  if (comparison === '<') return value < target;
  return value <= target;
}

function number(value: number): number | null {
  return Number.isFinite(value) ? significant(value) : null;
}

function text(value: number | null): string {
  return value === null ? '-' : String(value);
}
