import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { compileTopicPattern } from '../bus/topics.ts';
import { LedgeError } from '../std/error.ts';
import { packagePath } from '../std/package.ts';
import { z } from '../std/schema.ts';
import { formatProblem, type Problem, parseWith, parseYaml } from '../std/yaml.ts';

/** Steps of decoding in front of a flow: reading a format and one or two conversions. */
const DECODE_STEPS_MAX = 8;

const topic = z.string().superRefine((pattern, context) => {
  try {
    compileTopicPattern(pattern);
  } catch (error) {
    context.addIssue({ code: 'custom', message: `a topic pattern. ${(error as Error).message}` });
  }
});

/** A file of devices/sources: what one kind of device sends, and what gives way under load. */
export const sourceFileSchema = z.strictObject({
  $schema: z.string().optional(),
  description: z.string().min(1).describe('What sends these events, and in what form.'),
  topic: topic
    .optional()
    .describe('Topic pattern with one {device} level; a flow may give its own.'),
  decode: z
    .array(z.record(z.string(), z.unknown()))
    .max(DECODE_STEPS_MAX)
    .default([])
    .describe('Steps put before a flow that does not begin with a decoder itself.'),
  keep: z
    .enum(['all', 'latest', 'drop-oldest'])
    .default('all')
    .describe('What happens when events come faster than results.'),
  inFlightMax: z
    .int()
    .min(1)
    .max(1024)
    .default(64)
    .describe('Events of one flow that are worked on at the same time.'),
  queueEventsMax: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(4096)
    .describe('Events that may wait before `keep` decides.'),
  queueBytesMax: z
    .int()
    .min(1024)
    .default(32 * 1024 * 1024)
    .describe('Payload bytes that may wait before `keep` decides.'),
  payloadBytesMax: z
    .int()
    .min(1)
    .default(16 * 1024 * 1024)
    .describe('A larger payload goes to the dead-letter topic unread.'),
  deadlineMs: z
    .number()
    .positive()
    .optional()
    .describe('An event without a result after this time is dropped and reported.'),
  qos: z
    .union([z.literal(0), z.literal(1), z.literal(2)])
    .default(1)
    .describe('QoS of the subscription on an external broker.'),
  delivery: z
    .enum(['at-least-once', 'at-most-once'])
    .default('at-least-once')
    .describe('Whether flows that keep all events keep them over a crash; others never do.'),
  units: z
    .record(z.string(), z.string())
    .default({})
    .describe('What the numbers mean, for people: field or property to unit.'),
});

type SourceFile = z.infer<typeof sourceFileSchema>;

/** One kind of event source, every limit decided. */
export interface Source extends Omit<SourceFile, '$schema' | 'topic' | 'deadlineMs'> {
  readonly name: string;
  readonly topic: string | undefined;
  readonly deadlineMs: number | undefined;
}

/**
 * Reads a source by name (first from `<folder>/sources`, then from the package) or by the path of a
 * .yaml file. Fails with not-found, naming the sources there are, or config-invalid.
 */
export async function loadSource(nameOrFile: string, folder?: string): Promise<Source> {
  const isFile = /\.ya?ml$/.test(nameOrFile);
  const paths = isFile
    ? [nameOrFile]
    : sourceFolders(folder).map((sources) => join(sources, `${nameOrFile}.yaml`));
  if (isFile || /^[a-zA-Z0-9_-]+$/.test(nameOrFile)) {
    for (const path of paths) {
      const text = await readIfThere(path);
      if (text !== undefined) return parseSource(text, path);
    }
  }
  const known = (await listSources(folder)).join(', ');
  throw new LedgeError('not-found', `Cannot find source "${nameOrFile}": there are ${known}`, {
    context: { value: nameOrFile, known },
  });
}

/** The names that `loadSource` finds, sorted. */
export async function listSources(folder?: string): Promise<string[]> {
  const names = new Set<string>();
  for (const sources of sourceFolders(folder)) {
    for (const file of await entriesOf(sources)) {
      if (file.endsWith('.yaml')) names.add(basename(file, '.yaml'));
    }
  }
  return [...names].sort();
}

function sourceFolders(folder: string | undefined): string[] {
  const own = folder === undefined ? [] : [join(folder, 'sources')];
  return [...own, packagePath('devices/sources')];
}

function parseSource(text: string, path: string): Source {
  const yaml = parseYaml(text, path);
  if (yaml.kind === 'problems') throw invalid(path, yaml.problems);
  const file = parseWith(sourceFileSchema, yaml.value);
  if (file.kind === 'problems') throw invalid(path, file.problems);
  const { $schema: _, topic: pattern, deadlineMs, ...rest } = file.value;
  return { ...rest, name: basename(path).replace(/\.ya?ml$/, ''), topic: pattern, deadlineMs };
}

function invalid(path: string, problems: readonly Problem[]): LedgeError {
  const told = problems.map(formatProblem).join('; ');
  return new LedgeError('config-invalid', `Cannot load source ${path}: ${told}`, {
    context: { file: path, problems },
  });
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    const message = `Cannot read source ${path}: ${(error as Error).message}`;
    throw new LedgeError('config-invalid', message, { cause: error, context: { file: path } });
  }
}

async function entriesOf(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
