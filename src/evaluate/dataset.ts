import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, extname, join, relative } from 'node:path';
import { LedgeError } from '../std/error.ts';
import { parseSeries } from './series.ts';

/** Rows that each series is learned from, and that no metric counts [SKAB's notebooks]. */
export const LEARN_ROWS = 400;

/** One event of labelled data, and what is true of it. */
export interface EvaluatedEvent {
  /** Events of one device keep their order and share what was learned. */
  readonly device: string;
  /** File, and row of a series. */
  readonly name: string;
  /** The part of the data it is told under: a label, a class, a folder. */
  readonly group: string;
  readonly contentType: string;
  /** False for rows that are only learned from. */
  readonly counted: boolean;
  /** A label or class; for a row of a series whether it is anomalous, undefined without labels. */
  readonly truth: string | boolean | undefined;
  /** The file that is the whole event; undefined for a row of one. */
  readonly file: string | undefined;
  /** A mask image that shows where the defect is. */
  readonly mask: string | undefined;
  read(): Promise<Uint8Array>;
}

/** What became of one event. */
export interface Evaluated {
  readonly event: EvaluatedEvent;
  readonly results: readonly Readonly<Record<string, unknown>>[];
  /** Set where it failed, as the dead-letter topic tells it. */
  readonly error: unknown;
  /** To the first reply; undefined where there was none, or nobody measured. */
  readonly latencyMs: number | undefined;
}

/** Data of one form. */
export interface Dataset {
  readonly form: 'clips' | 'images' | 'series';
  readonly events: readonly EvaluatedEvent[];
}

const IMAGE_TYPES: ReadonlyMap<string, string> = new Map([
  ['.jpg', 'image/jpeg'],
  ['.jpeg', 'image/jpeg'],
  ['.png', 'image/png'],
]);
const CLIP_ENDS = new Set(['.wav', '.flac']);

/**
 * Reads a folder of one of the three forms: `<label>/*.{wav,flac}`, `<class>/*.{jpg,png}`,
 * `**\/*.csv`. `limit` keeps the first events of each label or class, or the first files.
 */
export async function readDataset(
  folder: string,
  limit = Number.POSITIVE_INFINITY,
): Promise<Dataset> {
  const files = (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() || entry.isSymbolicLink())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort(naturally);
  const ends = new Set(files.map(endOf));
  if ([...ends].some((end) => CLIP_ENDS.has(end))) return clips(files, limit);
  if (ends.has('.csv')) return series(folder, files, limit);
  if ([...ends].some((end) => IMAGE_TYPES.has(end))) return images(files, limit);
  const forms = '<label>/*.wav|flac, <class>/*.jpg|png, or *.csv';
  throw new LedgeError('not-found', `Cannot evaluate ${folder}: it has none of ${forms}`);
}

/** How many events count: rows that are only learned from do not. */
export function countedOf({ events }: Dataset): number {
  return events.filter(({ counted }) => counted).length;
}

function clips(files: readonly string[], limit: number): Dataset {
  const events = byFolder(
    files.filter((file) => CLIP_ENDS.has(endOf(file))),
    limit,
  ).map((file) => single(file, 'audio/wav'));
  return { form: 'clips', events };
}

/** A png of the same name as a jpg is its mask, and no event. */
function images(files: readonly string[], limit: number): Dataset {
  const all = new Set(files);
  const photo = (file: string) =>
    [`${stem(file)}.jpg`, `${stem(file)}.jpeg`].find((at) => all.has(at));
  const events = byFolder(
    files.filter(
      (file) =>
        IMAGE_TYPES.has(endOf(file)) && (endOf(file) !== '.png' || photo(file) === undefined),
    ),
    limit,
  ).map((file) => {
    const mask = `${stem(file)}.png`;
    const type = IMAGE_TYPES.get(endOf(file)) as string;
    return { ...single(file, type), mask: mask !== file && all.has(mask) ? mask : undefined };
  });
  return { form: 'images', events };
}

/** Each file is a machine of its own, so that it is learned afresh. */
async function series(folder: string, files: readonly string[], limit: number): Promise<Dataset> {
  const events: EvaluatedEvent[] = [];
  const chosen = files.filter((file) => endOf(file) === '.csv').slice(0, limit);
  for (const file of chosen) {
    const name = relative(folder, file);
    const device = name.replace(/\.csv$/, '').replace(/[^a-zA-Z0-9_-]/g, '-');
    const group = dirname(name) === '.' ? basename(folder) : dirname(name);
    parseSeries(await readFile(file, 'utf8'), name).forEach(({ ts, fields, anomaly }, row) => {
      const payload = Buffer.from(JSON.stringify({ ts, ...fields }));
      events.push({
        device,
        name: `${name}:${row + 2}`,
        group,
        contentType: 'application/json',
        counted: row >= LEARN_ROWS,
        truth: anomaly,
        file: undefined,
        mask: undefined,
        read: async () => payload,
      });
    });
  }
  return { form: 'series', events };
}

/** A file that is one event, of a device of its own: clips and parts do not follow each other. */
function single(file: string, contentType: string): EvaluatedEvent {
  const label = basename(dirname(file));
  const device = `${label}-${basename(file)}`.replace(/[^a-zA-Z0-9_-]/g, '-').slice(0, 100);
  return {
    device,
    name: join(label, basename(file)),
    group: label,
    contentType,
    counted: true,
    truth: label,
    file,
    mask: undefined,
    read: () => readFile(file),
  };
}

/** The first `limit` files of each folder. */
function byFolder(files: readonly string[], limit: number): string[] {
  const counts = new Map<string, number>();
  return files.filter((file) => {
    const count = (counts.get(dirname(file)) ?? 0) + 1;
    counts.set(dirname(file), count);
    return count <= limit;
  });
}

function endOf(file: string): string {
  return extname(file).toLowerCase();
}

function stem(file: string): string {
  return file.slice(0, -extname(file).length);
}

function naturally(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}
