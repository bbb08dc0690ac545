import { readdir, readFile } from 'node:fs/promises';
import { availableParallelism, arch as machineArch, totalmem } from 'node:os';
import { basename, join } from 'node:path';
import { LedgeError } from '../std/error.ts';
import { nearest } from '../std/nearest.ts';
import { packagePath } from '../std/package.ts';
import { z } from '../std/schema.ts';
import { formatProblem, parseWith, parseYaml } from '../std/yaml.ts';

const FOLDER = packagePath('devices', 'boards');
/** Where Linux on a board says which one it is; the text ends with a zero byte. */
const MODEL_FILE = '/proc/device-tree/model';

const architecture = z.enum(['x64', 'arm64']);

/** A file of devices/boards: what a node runs on. */
export const boardFileSchema = z.strictObject({
  $schema: z.string().optional(),
  title: z.string().min(1).describe('Name of the board for people.'),
  match: z
    .union([z.array(z.string().min(1)), z.strictObject({ arch: architecture })])
    .describe('Texts to look for in /proc/device-tree/model, or an architecture.'),
  architecture: architecture.describe('Architecture of its processor.'),
  memoryBytes: z
    .int()
    .positive()
    .optional()
    .describe('Memory of its largest variant; less where the machine has less.'),
  cores: z.int().min(1).optional().describe('Processor cores; fewer where the machine has fewer.'),
  tops: z.number().positive().optional().describe('Tera-operations per second, as published.'),
  watts: z.number().positive().optional().describe('Power at full load, as published.'),
  source: z.string().min(1).describe('Where the figures come from.'),
  providers: z
    .array(z.string().min(1))
    .min(1)
    .describe('Execution providers of onnxruntime in the order to try them.'),
  workers: z.int().min(1).optional().describe('Worker threads; default one less than cores.'),
  intraOpThreads: z
    .int()
    .min(1)
    .optional()
    .describe('Threads of one large model; default one less than cores.'),
  precision: z
    .array(z.enum(['int8', 'fp16', 'fp32']))
    .min(1)
    .describe('Number formats, the fastest first.'),
  throttleAtCelsius: z
    .number()
    .positive()
    .optional()
    .describe('Where flows do with less: a little below where the board slows itself down.'),
  memoryShare: z
    .number()
    .positive()
    .max(0.9)
    .describe('Share of the memory that flows may use together.'),
});

type BoardFile = z.infer<typeof boardFileSchema>;

/** What this node runs on, every figure decided. */
export interface Board {
  readonly name: string;
  readonly title: string;
  readonly architecture: 'x64' | 'arm64';
  readonly memoryBytes: number;
  /** What all flows together may use. */
  readonly memoryBudgetBytes: number;
  readonly cores: number;
  /** As published; undefined where nothing is. */
  readonly tops: number | undefined;
  readonly watts: number | undefined;
  readonly source: string;
  readonly providers: readonly string[];
  readonly workers: number;
  readonly intraOpThreads: number;
  readonly precision: readonly ('int8' | 'fp16' | 'fp32')[];
  /** Undefined where nothing is published. */
  readonly throttleAtCelsius: number | undefined;
}

/** The machine under a board; what is not given is asked of the operating system. */
export interface Machine {
  readonly totalMemoryBytes?: number;
  readonly cores?: number;
}

export interface DetectOptions extends Machine {
  readonly modelFile?: string;
  readonly arch?: string;
}

/**
 * Finds out which board this is: by its own name where it has one, else by architecture.
 * Throws `unsupported` where no board file fits, `config-invalid` where one is wrong.
 */
export async function detectBoard(options: DetectOptions = {}): Promise<Board> {
  const { modelFile = MODEL_FILE, arch = machineArch() } = options;
  const model = await readModel(modelFile);
  let generic: Board | undefined;
  for (const name of await listBoards()) {
    const file = await readBoard(join(FOLDER, `${name}.yaml`));
    const { match } = file;
    const named = Array.isArray(match) && match.some((text) => model.includes(text));
    if (named) return resolveBoard(name, file, options);
    if (!Array.isArray(match) && match.arch === arch) generic = resolveBoard(name, file, options);
  }
  if (generic !== undefined) return generic;
  throw new LedgeError('unsupported', `Cannot run on ${arch}: no file of devices/boards fits it`, {
    context: { arch },
  });
}

/**
 * Loads a board of devices/boards by name, or any .yaml file by path. Throws `config-invalid`, for an
 * unknown name with the nearest one.
 */
export async function loadBoard(nameOrPath: string, machine: Machine = {}): Promise<Board> {
  if (/\.ya?ml$/.test(nameOrPath)) {
    const name = basename(nameOrPath).replace(/\.ya?ml$/, '');
    return resolveBoard(name, await readBoard(nameOrPath), machine);
  }
  const known = await listBoards();
  if (!known.includes(nameOrPath)) {
    const near = nearest(nameOrPath, known);
    const hint = near === undefined ? `there are ${known.join(', ')}` : `did you mean "${near}"?`;
    throw new LedgeError('config-invalid', `Cannot find board "${nameOrPath}": ${hint}`, {
      context: { field: 'board', value: nameOrPath, known },
    });
  }
  return resolveBoard(nameOrPath, await readBoard(join(FOLDER, `${nameOrPath}.yaml`)), machine);
}

/** The names of the boards in the package, sorted. */
export async function listBoards(): Promise<string[]> {
  const files = await readdir(FOLDER);
  return files
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => basename(file, '.yaml'))
    .sort();
}

/** A board never has more than the machine: other variants of it are sold with less. */
function resolveBoard(name: string, file: BoardFile, machine: Machine): Board {
  const { totalMemoryBytes = totalmem(), cores: present = availableParallelism() } = machine;
  const memoryBytes = Math.min(file.memoryBytes ?? totalMemoryBytes, totalMemoryBytes);
  const cores = Math.min(file.cores ?? present, present);
  // One core stays for the broker and for what happens before and after inference.
  const spare = Math.max(1, cores - 1);
  return {
    name,
    title: file.title,
    architecture: file.architecture,
    memoryBytes,
    memoryBudgetBytes: Math.floor(memoryBytes * file.memoryShare),
    cores,
    tops: file.tops,
    watts: file.watts,
    source: file.source,
    providers: file.providers,
    workers: Math.min(file.workers ?? spare, spare),
    intraOpThreads: Math.min(file.intraOpThreads ?? spare, spare),
    precision: file.precision,
    throttleAtCelsius: file.throttleAtCelsius,
  };
}

async function readBoard(path: string): Promise<BoardFile> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new LedgeError('config-invalid', `Cannot read the board ${path}`, { cause });
  }
  const source = parseYaml(text, path);
  const parsed = source.kind === 'ok' ? parseWith(boardFileSchema, source.value) : source;
  if (parsed.kind === 'ok') return parsed.value;
  const problems = parsed.problems.map(formatProblem).join('; ');
  throw new LedgeError('config-invalid', `Cannot use the board: ${problems}`, {
    context: { problems: parsed.problems },
  });
}

/** Machines without a device tree, such as PCs, have no such file. */
async function readModel(path: string): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).replace(/\0.*$/s, '');
  } catch {
    return '';
  }
}
