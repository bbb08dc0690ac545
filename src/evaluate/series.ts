import { LedgeError } from '../std/error.ts';

/** Columns of SKAB's form that are no sensor. */
const LABEL_COLUMNS = new Set(['datetime', 'anomaly', 'changepoint']);

/** One row of a series. */
export interface SeriesRow {
  readonly ts: number; // ms since 1970; the data name no zone, UTC is taken
  readonly fields: Readonly<Record<string, number>>;
  /** Undefined where the file has no labels. */
  readonly anomaly: boolean | undefined;
}

/**
 * Parses a `;` separated file: `datetime`, sensors, and where it is labelled `anomaly` and
 * `changepoint`. Throws LedgeError payload-invalid, naming file and line.
 */
export function parseSeries(text: string, name: string): SeriesRow[] {
  const [head = '', ...lines] = text.split(/\r?\n/);
  const columns = head.split(';');
  if (!columns.includes('datetime') || columns.every((column) => LABEL_COLUMNS.has(column))) {
    throw invalid(name, 1, 'expected `datetime` and sensors, separated by `;`');
  }
  return lines.flatMap((line, index) => {
    if (line.trim() === '') return [];
    const cells = line.split(';');
    if (cells.length !== columns.length) {
      throw invalid(name, index + 2, `${cells.length} cells, expected ${columns.length}`);
    }
    return [parseRow(new Map(columns.map((column, at) => [column, cells[at] as string])))];
  });
}

function parseRow(cells: ReadonlyMap<string, string>): SeriesRow {
  const sensors = [...cells].filter(([column]) => !LABEL_COLUMNS.has(column));
  const label = cells.get('anomaly');
  return {
    ts: Date.parse(`${cells.get('datetime')?.replace(' ', 'T')}Z`),
    // A gap stays a gap: the flow must say what it makes of it.
    fields: Object.fromEntries(
      sensors.filter(([, cell]) => cell.trim() !== '').map(([name, cell]) => [name, Number(cell)]),
    ),
    anomaly: label === undefined ? undefined : Number(label) === 1,
  };
}

function invalid(name: string, line: number, expected: string): LedgeError {
  return new LedgeError('payload-invalid', `Cannot read ${name}:${line}: ${expected}`);
}
