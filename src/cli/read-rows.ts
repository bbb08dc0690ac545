import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { LedgeError } from '../std/error.ts';
import { formatProblem, type Problem } from '../std/yaml.ts';

/** A file of rows may be this long: a hundred thousand records of eight sensors. */
const BYTES_MAX = 16_777_216;
/** Problems told at once: a file of another kind has one in every line. */
const PROBLEMS_MAX = 20;
/** Columns that say when, and are no sensor. */
const TIMES: ReadonlySet<string> = new Set(['ts', 'time', 'timestamp', 'datetime']);

/** One record and the line it stands on. */
export interface Row {
  readonly line: number;
  readonly fields: Readonly<Record<string, number>>;
}

interface Draft {
  readonly line: number;
  readonly values: Readonly<Record<string, unknown>>;
}

/**
 * Reads records of numbers: a JSON object on each line (.jsonl), or CSV with a head and `,` or `;`
 * (.csv). Every record must have the wanted fields, or those of the first one; what tells the time is
 * left out. Throws LedgeError payload-invalid, which names line and field of each problem.
 */
export async function readRows(
  file: string,
  wanted: readonly string[] | undefined,
): Promise<readonly Row[]> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new LedgeError('not-found', `Cannot read rows: there is no ${file}`, { cause });
  });
  if (text.length > BYTES_MAX) {
    const state = `it has ${text.length} characters, at most ${BYTES_MAX}`;
    throw new LedgeError('payload-too-large', `Cannot read rows of ${file}: ${state}`);
  }
  const problems: Problem[] = [];
  const tell: Tell = (line, field, found, expected) => {
    const value = found === undefined ? undefined : JSON.stringify(found);
    problems.push({ file: basename(file), line, field, value, expected });
  };
  const drafts = file.endsWith('.csv') ? csvDrafts(text, tell) : jsonDrafts(text, tell);
  const names = wanted ?? Object.keys(drafts[0]?.values ?? {}).sort();
  if (drafts.length > 0 && names.length === 0) tell(drafts[0]?.line, '', undefined, 'a number');
  const rows = drafts.map(({ line, values }) => ({
    line,
    fields: numbersOf(values, names, (field, found) => tell(line, field, found, 'a finite number')),
  }));
  if (problems.length === 0) return rows;
  const told = problems.slice(0, PROBLEMS_MAX).map(formatProblem);
  const rest = problems.length - told.length;
  const more = rest > 0 ? [`and ${rest} more`] : [];
  throw new LedgeError('payload-invalid', [...told, ...more].join('\n'), {
    context: { file, problems: problems.slice(0, PROBLEMS_MAX) },
  });
}

type Tell = (line: number | undefined, field: string, found: unknown, expected: string) => void;

function jsonDrafts(text: string, tell: Tell): Draft[] {
  return text.split('\n').flatMap((source, at) => {
    if (source.trim() === '') return [];
    try {
      const parsed: unknown = JSON.parse(source);
      if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) {
        return [{ line: at + 1, values: withoutTime(Object.entries(parsed)) }];
      }
    } catch {
      // Told below, with the line.
    }
    tell(at + 1, '', source.slice(0, 80), 'a JSON object');
    return [];
  });
}

function csvDrafts(text: string, tell: Tell): Draft[] {
  const [head = '', ...lines] = text.split(/\r?\n/);
  const separator = head.includes(';') ? ';' : ',';
  const columns = head.split(separator).map((name) => name.trim());
  return lines.flatMap((source, at) => {
    if (source.trim() === '') return [];
    const cells = source.split(separator);
    if (cells.length !== columns.length) {
      tell(at + 2, '', `${cells.length} cells`, `${columns.length} cells, as the head has`);
      return [];
    }
    const entries = columns.map((name, column) => [name, cellOf(cells[column] ?? '')] as const);
    return [{ line: at + 2, values: withoutTime(entries) }];
  });
}

/** A number where the text is one, else the text; undefined for an empty cell. */
function cellOf(text: string): unknown {
  const trimmed = text.trim();
  if (trimmed === '') return undefined;
  const number = Number(trimmed);
  return Number.isNaN(number) ? trimmed : number;
}

function withoutTime(entries: readonly (readonly [string, unknown])[]): Record<string, unknown> {
  return Object.fromEntries(entries.filter(([name]) => !TIMES.has(name.toLowerCase())));
}

function numbersOf(
  values: Readonly<Record<string, unknown>>,
  names: readonly string[],
  tell: (field: string, found: unknown) => void,
): Record<string, number> {
  return Object.fromEntries(
    names.map((name) => {
      const found = Object.hasOwn(values, name) ? values[name] : undefined;
      const number = typeof found === 'boolean' ? Number(found) : found;
      if (typeof number === 'number' && Number.isFinite(number)) return [name, number];
      tell(name, found);
      return [name, 0];
    }),
  );
}
