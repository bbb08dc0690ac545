import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { LedgeError } from '../std/error.ts';
import { nearest } from '../std/nearest.ts';
import { z } from '../std/schema.ts';
import { formatProblem, type Problem, parseWith, parseYaml, type YamlFile } from '../std/yaml.ts';
import { configSchema, type NodeConfig } from './config.ts';

/** Where configuration comes from; the later overrides the earlier. */
export interface ConfigSources {
  /** A file that must be there; without it `ledge.yaml` in the working folder is read if it is there. */
  readonly file?: string | undefined;
  /** `LEDGE_BROKER__PORT=1884` sets broker.port; a value is read as YAML where it parses. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** `key=value` pairs of --set, dotted keys. */
  readonly set: readonly string[];
  /** Options of their own name: --node, --data, --port, ... */
  readonly options: readonly (readonly [path: string, value: unknown])[];
}

/** Variables that the command line reads itself. */
const OTHER_VARIABLES = new Set(['LEDGE_CONFIG']);

/** Fields that hold a secret: given by a variable only, as its text stands, and never repeated. */
const SECRET_FIELDS: ReadonlySet<string> = new Set(['broker.password', 'uplink.password']);

/** Reads the configuration. Fails with `config-invalid`, all problems in its context and message. */
export async function loadConfig(sources: ConfigSources): Promise<NodeConfig> {
  const base = await readFileValue(sources.file);
  const value: unknown = structuredClone(base.value);
  checkNoSecrets(base, sources.set);
  const given: Given[] = [];
  const apply = (path: string, one: unknown, from: string) => {
    given.push({ path, from });
    setPath(value, path.split('.'), one);
  };
  for (const [name, text] of Object.entries(sources.environment)) {
    if (!name.startsWith('LEDGE_') || OTHER_VARIABLES.has(name) || text === undefined) continue;
    const field = fieldOfVariable(name);
    apply(field, SECRET_FIELDS.has(field) ? text : scalarOf(text), name);
  }
  for (const pair of sources.set) {
    const equals = pair.indexOf('=');
    if (equals < 1) throw invalid([simple('--set', pair, 'key=value')]);
    apply(pair.slice(0, equals), scalarOf(pair.slice(equals + 1)), '--set');
  }
  for (const [path, one] of sources.options) apply(path, one, 'command line');
  const parsed = parseWith(configSchema, { ...base, file: base.file || 'defaults', value });
  if (parsed.kind === 'ok') return parsed.value;
  throw invalid(parsed.problems.map((problem) => withNearest(withPlace(problem, given))));
}

/** A field that was set from outside the file. */
interface Given {
  readonly path: string;
  readonly from: string;
}

async function readFileValue(given: string | undefined): Promise<YamlFile> {
  const path = resolve(given ?? 'ledge.yaml');
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (given === undefined && (error as NodeJS.ErrnoException).code === 'ENOENT') {
      return { file: '', value: {}, lineOf: () => undefined };
    }
    throw new LedgeError('config-invalid', `Cannot read ${path}: ${(error as Error).message}`);
  }
  const parsed = parseYaml(text, path);
  if (parsed.kind === 'problems') throw invalid(parsed.problems);
  if (parsed.value.value === null) return { ...parsed.value, value: {} };
  return parsed.value;
}

/** Refuses a secret where it would be read by more than the node. */
function checkNoSecrets(base: YamlFile, set: readonly string[]): void {
  for (const field of SECRET_FIELDS) {
    const path = field.split('.');
    const variable = `LEDGE_${path.join('__').toUpperCase()}`;
    const expected = `it in a file of its own (passwordFile) or in the variable ${variable}`;
    const found = path.reduce<unknown>(
      (at, key) => (isObject(at) && Object.hasOwn(at, key) ? at[key] : undefined),
      base.value,
    );
    if (found !== undefined) {
      const { file } = base;
      throw invalid([{ file, line: base.lineOf(path), field, value: undefined, expected }]);
    }
    if (set.some((pair) => pair.startsWith(`${field}=`))) {
      throw invalid([{ ...simple('--set', '', expected), field, value: undefined }]);
    }
  }
}

/** A problem without secrets: a password can be a field of its own, or stand in a URL. */
function withoutSecret(problem: Problem): Problem {
  if (SECRET_FIELDS.has(problem.field)) return { ...problem, value: undefined };
  const { value } = problem;
  return value === undefined ? problem : { ...problem, value: value.replace(/\/\/.*@/s, '//***@') };
}

function invalid(found: readonly Problem[]): LedgeError {
  const problems = found.map(withoutSecret);
  const text = problems.map(formatProblem).join('\n');
  return new LedgeError('config-invalid', `Cannot use the configuration:\n${text}`, {
    context: { problems },
  });
}

/** The problems that a failed `loadConfig` carries. Throws on what it did not throw. */
export function loadConfigProblems(error: unknown): readonly Problem[] {
  if (!(error instanceof LedgeError) || error.code !== 'config-invalid') throw error;
  const { problems } = error.context;
  if (Array.isArray(problems)) return problems as Problem[];
  return [simple('', '', error.message)];
}

function simple(field: string, value: string, expected: string): Problem {
  return { file: 'command line', line: undefined, field, value, expected };
}

/** Names the variable or option that a wrong value came from, where it is not the file's. */
function withPlace(problem: Problem, given: readonly Given[]): Problem {
  const last = given.findLast(({ path }) => `${problem.field}.`.startsWith(`${path}.`));
  return last === undefined ? problem : { ...problem, file: last.from, line: undefined };
}

/** Adds the nearest field name where a key is unknown. */
function withNearest(problem: Problem): Problem {
  if (problem.expected !== 'no such field') return problem;
  const near = nearest(problem.field, fieldNames(configSchema));
  return near === undefined
    ? problem
    : { ...problem, expected: `a known field; did you mean "${near}"?` };
}

/** Every dotted field name of the configuration. */
export function fieldNames(schema: z.ZodType): string[] {
  const json = z.toJSONSchema(schema, { io: 'output', unrepresentable: 'any' });
  const names: string[] = [];
  const walk = (node: unknown, prefix: string) => {
    const { properties, anyOf } = node as {
      properties?: Record<string, unknown>;
      anyOf?: unknown[];
    };
    for (const [key, child] of Object.entries(properties ?? {})) {
      names.push(prefix + key);
      walk(child, `${prefix}${key}.`);
    }
    for (const child of anyOf ?? []) walk(child, prefix);
  };
  walk(json, '');
  return names;
}

/** LEDGE_BROKER__PORT -> broker.port; LEDGE_INFERENCE__TIMEOUT_MS -> inference.timeoutMs. */
function fieldOfVariable(name: string): string {
  const levels = name.slice('LEDGE_'.length).toLowerCase().split('__');
  return levels
    .map((level) => level.replace(/_(\w)/g, (_, letter) => letter.toUpperCase()))
    .join('.');
}

function scalarOf(text: string): unknown {
  const parsed = parseYaml(text, 'value');
  return parsed.kind === 'ok' && parsed.value.value !== null ? parsed.value.value : text;
}

/** Sets a field, unless what stands on its way is no object: the schema tells that. */
function setPath(target: unknown, path: readonly string[], value: unknown): void {
  let object = target;
  for (const key of path.slice(0, -1)) {
    if (!isObject(object)) return;
    const child = Object.hasOwn(object, key) ? object[key] : undefined;
    const next = typeof child === 'string' ? { url: child } : (child ?? {});
    Object.defineProperty(object, key, {
      value: next,
      writable: true,
      enumerable: true,
      configurable: true,
    });
    object = next;
  }
  if (!isObject(object)) return;
  const last = path.at(-1) ?? '';
  Object.defineProperty(object, last, {
    value,
    writable: true,
    enumerable: true,
    configurable: true,
  });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
