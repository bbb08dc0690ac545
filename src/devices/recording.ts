import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve, sep } from 'node:path';
import { LedgeError } from '../std/error.ts';
import { z } from '../std/schema.ts';
import { formatProblem, parseWith, parseYaml } from '../std/yaml.ts';
import { wavDurationMs } from './wav-duration.ts';

/** A recording may have this many events: a day at 10 Hz is below it. */
const EVENTS_MAX = 1_000_000;
/** A file of events is read whole: beyond this it belongs into several. */
const FILE_BYTES_MAX = 268_435_456;
/** Time given to an event that does not say how long it lasts. */
const STILL_MS = 1000;

/** One recorded event. The payload is read when it is time to publish it. */
export interface RecordedEvent {
  /** Where it was recorded: a file's name, with the line for one of many. */
  readonly name: string;
  readonly device: string | undefined;
  /** When it happened, from the beginning of the recording. */
  readonly atMs: number;
  readonly contentType: string | undefined;
  read(): Promise<Uint8Array>;
}

/** Events in the order they happened. */
export interface Recording {
  /** The flow they are meant for, where the recording or its place tells. */
  readonly flow: string | undefined;
  /** How many times faster than recorded it is meant to be replayed. */
  readonly speed: number;
  readonly events: readonly RecordedEvent[];
}

const recordingSchema = z.strictObject({
  flow: z.string().min(1).optional(),
  speed: z.number().positive().max(1_000_000).default(1),
  events: z
    .array(
      z.strictObject({
        file: z.string().min(1),
        device: z.string().min(1).optional(),
        atMs: z.number().min(0).optional(),
      }),
    )
    .min(1),
});

/** Files that are events, by their end, and what they are. */
const CONTENT_TYPES: ReadonlyMap<string, string | undefined> = new Map([
  ['.wav', 'audio/wav'],
  ['.pcm', undefined],
  ['.jpg', 'image/jpeg'],
  ['.jpeg', 'image/jpeg'],
  ['.png', 'image/png'],
  ['.webp', 'image/webp'],
  ['.json', 'application/json'],
  ['.senml', 'application/senml+json'],
  ['.msgpack', 'application/msgpack'],
  ['.txt', 'text/plain'],
]);

/**
 * Reads what a folder or file holds to replay: a `replay.yaml` (flow, speed, events), a `.jsonl`
 * with one event a line, or media files, sorted by name, each beginning where the one before ended.
 * Fails with not-found, config-invalid, payload-invalid.
 */
export async function loadRecording(path: string): Promise<Recording> {
  const info = await stat(path).catch((error: Error) => {
    throw new LedgeError('not-found', `Cannot replay ${path}: ${error.message}`, { cause: error });
  });
  const flow = flowOfPlace(path);
  if (info.isFile()) {
    if (/\.ya?ml$/.test(path)) return readList(path, flow);
    return { flow, speed: 1, events: limited(await eventsOf(path, {}), path) };
  }
  const names = (await readdir(path)).sort();
  if (names.includes('replay.yaml')) return readList(join(path, 'replay.yaml'), flow);
  const events: RecordedEvent[] = [];
  for (const name of names.filter(isEventFile)) {
    events.push(...(await eventsOf(join(path, name), { startMs: endOf(events) })));
  }
  return { flow, speed: 1, events: limited(events, path) };
}

/** The flow whose folder of samples a path lies in: flows/<flow>/samples. */
export function flowOfPlace(path: string): string | undefined {
  const parts = resolve(path).split(sep);
  const at = parts.lastIndexOf('samples');
  return at > 0 ? parts[at - 1] : undefined;
}

async function readList(path: string, flow: string | undefined): Promise<Recording> {
  const yaml = parseYaml(await readFile(path, 'utf8'), path);
  const list = yaml.kind === 'ok' ? parseWith(recordingSchema, yaml.value) : yaml;
  if (list.kind === 'problems') {
    const told = list.problems.map(formatProblem).join('; ');
    throw new LedgeError('config-invalid', `Cannot replay ${path}: ${told}`);
  }
  const events: RecordedEvent[] = [];
  for (const { file, device, atMs } of list.value.events) {
    const startMs = atMs ?? endOf(events);
    events.push(...(await eventsOf(join(dirname(path), file), { device, startMs })));
  }
  events.sort((a, b) => a.atMs - b.atMs);
  const { speed } = list.value;
  return { flow: list.value.flow ?? flow, speed, events: limited(events, path) };
}

/** Events know how long they last, so that the next file can follow. */
interface Lasting extends RecordedEvent {
  readonly lastsMs: number;
}

function endOf(events: readonly RecordedEvent[]): number {
  return events.reduce((end, event) => Math.max(end, event.atMs + (event as Lasting).lastsMs), 0);
}

function isEventFile(name: string): boolean {
  const end = extname(name).toLowerCase();
  return !name.startsWith('.') && (end === '.jsonl' || CONTENT_TYPES.has(end));
}

interface EventPlace {
  readonly device?: string | undefined;
  readonly startMs?: number;
}

async function eventsOf(
  path: string,
  { device, startMs = 0 }: EventPlace,
): Promise<readonly Lasting[]> {
  const { size } = await stat(path).catch((error: Error) => {
    throw new LedgeError('not-found', `Cannot replay ${path}: ${error.message}`, { cause: error });
  });
  if (size > FILE_BYTES_MAX) {
    const limit = `${size} bytes, at most ${FILE_BYTES_MAX}`;
    throw new LedgeError('payload-too-large', `Cannot replay ${path}: it has ${limit}`);
  }
  const name = basename(path);
  const end = extname(path).toLowerCase();
  if (end === '.jsonl') return linesOf(path, { device, startMs });
  const lastsMs = end === '.wav' ? (wavDurationMs(await readFile(path)) ?? STILL_MS) : STILL_MS;
  const contentType = CONTENT_TYPES.get(end);
  return [{ name, device, atMs: startMs, contentType, lastsMs, read: () => readFile(path) }];
}

/** One event a line; its `ts` says when, else they follow each other by a second. */
async function linesOf(path: string, place: Required<EventPlace>): Promise<readonly Lasting[]> {
  const lines = (await readFile(path, 'utf8')).split('\n');
  const events: Lasting[] = [];
  let first: number | undefined;
  for (const [index, line] of lines.entries()) {
    if (line.trim() === '') continue;
    const name = `${basename(path)}:${index + 1}`;
    const ts = timeOf(line, name);
    first ??= ts;
    const before = events.at(-1);
    const next = before === undefined ? place.startMs : before.atMs + STILL_MS;
    const atMs = ts === undefined || first === undefined ? next : place.startMs + ts - first;
    const payload = Buffer.from(line);
    events.push({
      name,
      device: place.device,
      atMs: Math.max(atMs, before?.atMs ?? 0),
      contentType: 'application/json',
      lastsMs: STILL_MS,
      read: async () => payload,
    });
  }
  return events;
}

/** The `ts` of a line in milliseconds: milliseconds or seconds since 1970, or ISO 8601. */
function timeOf(line: string, name: string): number | undefined {
  let record: unknown;
  try {
    record = JSON.parse(line);
  } catch (error) {
    const message = `Cannot replay ${name}: it is no JSON (${(error as Error).message})`;
    throw new LedgeError('payload-invalid', message, { cause: error });
  }
  const { ts } = (record ?? {}) as { ts?: unknown };
  const time = typeof ts === 'string' ? Date.parse(ts) : ts;
  if (typeof time !== 'number' || !Number.isFinite(time)) return undefined;
  // Seconds since 1970 stay below this until the year 5138, milliseconds passed it in 1973.
  return time < 1e11 ? time * 1000 : time;
}

function limited(events: readonly RecordedEvent[], path: string): readonly RecordedEvent[] {
  if (events.length > 0 && events.length <= EVENTS_MAX) return events;
  const found = events.length === 0 ? 'no events' : `${events.length} events`;
  throw new LedgeError(
    events.length === 0 ? 'not-found' : 'payload-too-large',
    `Cannot replay ${path}: it holds ${found}, expected 1 to ${EVENTS_MAX}`,
  );
}
