import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { LedgeError } from '../../src/std/error.ts';

/** Where the benchmark keeps its windows, beside `data/`. */
const WINDOWS_FILE = join('labels', 'combined_windows.json');

/** One file of the benchmark: rows of a time and a value, and the windows that are anomalous. */
export interface NabFile {
  /** Relative to `data/`, as the labels name it. */
  readonly name: string;
  readonly times: readonly number[]; // ms since 1970; the data name no zone, UTC is taken
  readonly values: readonly number[];
  readonly windows: readonly (readonly [first: number, last: number])[]; // rows
}

/**
 * Reads the benchmark, or one folder of its `data/`; undefined where the folder is neither.
 * Throws LedgeError payload-invalid, naming file and line.
 */
export async function readNab(folder: string): Promise<readonly NabFile[] | undefined> {
  const root = await rootOf(folder);
  if (root === undefined) return undefined;
  const labels = JSON.parse(await readFile(join(root, WINDOWS_FILE), 'utf8')) as Labels;
  const data = join(root, 'data');
  const files = (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && entry.name.endsWith('.csv'))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  return Promise.all(
    files.map(async (file) => {
      const name = relative(data, file).replaceAll('\\', '/');
      return parseNab(await readFile(file, 'utf8'), name, labels[name] ?? []);
    }),
  );
}

type Labels = Readonly<Record<string, readonly (readonly [string, string])[]>>;

async function rootOf(folder: string): Promise<string | undefined> {
  const above = dirname(folder);
  const roots = [folder, above, ...(basename(above) === 'data' ? [dirname(above)] : [])];
  for (const root of roots) {
    const found = await stat(join(root, WINDOWS_FILE)).catch(() => undefined);
    if (found?.isFile()) return root;
  }
  return undefined;
}

/** Parses `timestamp,value` rows and places the windows among them. Throws LedgeError payload-invalid. */
export function parseNab(text: string, name: string, windows: Labels[string]): NabFile {
  const [head = '', ...lines] = text.trimEnd().split(/\r?\n/);
  if (head !== 'timestamp,value') throw invalid(name, 1, 'expected `timestamp,value`');
  const rows = lines.map((line, at) => {
    const [time = '', value = '', ...rest] = line.split(',');
    const row = { time: timeOf(time), value: Number(value) };
    if (rest.length > 0 || value.trim() === '' || !Number.isFinite(row.value + row.time)) {
      throw invalid(name, at + 2, 'expected a time and a number');
    }
    return row;
  });
  const times = rows.map(({ time }) => time);
  const placed = windows.map((ends) => {
    const [first, last] = [times.indexOf(timeOf(ends[0])), times.indexOf(timeOf(ends[1]))];
    if (first >= 0 && last >= first) return [first, last] as const;
    throw invalid(name, 1, `the window from ${ends[0]} to ${ends[1]} is not among its rows`);
  });
  return { name, times, values: rows.map(({ value }) => value), windows: placed };
}

function timeOf(text: string): number {
  return Date.parse(`${text.trim().slice(0, 19).replace(' ', 'T')}Z`);
}

function invalid(name: string, line: number, state: string): LedgeError {
  return new LedgeError('payload-invalid', `Cannot read ${name}:${line}: ${state}`);
}
