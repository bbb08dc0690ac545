import { type Document, isMap, isScalar, isSeq, LineCounter, parseDocument, visit } from 'yaml';
import type { z } from './schema.ts';

/** A YAML or JSON file may be this long: a flow of hundreds of steps is far below it. */
export const YAML_BYTES_MAX = 1_048_576;
/** Aliases may expand this often: enough for anchors people write, too few for an alias bomb. */
const ALIASES_MAX = 64;
/** Levels within levels: a flow has about six; each is a frame of every walk through the value. */
const DEPTH_MAX = 64;
/** A value in a problem is cut after this many characters, so that a report stays readable. */
const VALUE_CHARACTERS_MAX = 120;

/** Problems told of one file: a file of another kind has one in every line. */
const PROBLEMS_MAX = 64;

/** One thing wrong in a file that people write, with all they need to mend it. */
export interface Problem {
  readonly file: string;
  /** 1-based; undefined where the problem has no place in the file. */
  readonly line: number | undefined;
  /** Dotted path: `steps.2.mfcc.bands`; '' for the whole file. */
  readonly field: string;
  /** The value found, as JSON, cut; undefined where it is missing. */
  readonly value: string | undefined;
  readonly expected: string;
}

export type Path = readonly (string | number)[];

/** A parsed file that still knows on which line each field stands. */
export interface YamlFile {
  readonly file: string;
  readonly value: unknown;
  lineOf(path: Path): number | undefined;
}

export type Parsed<T> =
  | { readonly kind: 'ok'; readonly value: T }
  | { readonly kind: 'problems'; readonly problems: readonly Problem[] };

/** Parses YAML 1.2 (and so JSON) within limits. Duplicate keys and alias bombs are problems. */
export function parseYaml(text: string, file: string): Parsed<YamlFile> {
  if (text.length > YAML_BYTES_MAX) {
    const value = `${text.length} characters`;
    return problem({
      file,
      line: undefined,
      field: '',
      value,
      expected: `at most ${YAML_BYTES_MAX}`,
    });
  }
  const lines = new LineCounter();
  const read = readQuickly(text, lines);
  if (read.kind === 'errors') {
    const problems = read.errors.slice(0, PROBLEMS_MAX).map((error) => ({
      file,
      line: lines.linePos(error.pos[0]).line,
      field: '',
      value: undefined,
      expected: `YAML (${error.message})`,
    }));
    return { kind: 'problems', problems: withRest(problems, read.errors.length, file) };
  }
  if (read.kind === 'refused') {
    const { expected } = read;
    return problem({ file, line: undefined, field: '', value: undefined, expected });
  }
  const { document, value } = read;
  const lineOf = (path: Path) => {
    const offset = offsetOf(document.contents, path);
    return offset === undefined ? undefined : lines.linePos(offset).line;
  };
  return { kind: 'ok', value: { file, value, lineOf } };
}

type Read =
  | { readonly kind: 'ok'; readonly document: Document; readonly value: unknown }
  | { readonly kind: 'errors'; readonly errors: readonly YamlError[] }
  | { readonly kind: 'refused'; readonly expected: string };

interface YamlError {
  readonly message: string;
  readonly pos: readonly [number, ...number[]];
}

function readQuickly(text: string, lineCounter: LineCounter): Read {
  // It makes an error of every comma too many: a million with their stacks take 14 seconds.
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    // The library compares every two keys of a map: a large one would hold the thread for minutes.
    const quiet = { prettyErrors: false, logLevel: 'error' } as const;
    const options = { ...quiet, lineCounter, uniqueKeys: false };
    const document = parseDocument(text, options);
    const errors = document.errors.length > 0 ? document.errors : repeatedKeys(document);
    if (errors.length > 0) return { kind: 'errors', errors };
    return readValue(document);
  } catch (error) {
    // Nested so deep that a walk through it would need more stack than there is.
    if (error instanceof RangeError) return TOO_DEEP;
    throw error;
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

const TOO_DEEP: Read = { kind: 'refused', expected: `at most ${DEPTH_MAX} levels, and an end` };

function readValue(document: Document): Read {
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: ALIASES_MAX });
  } catch (error) {
    if (error instanceof RangeError) throw error;
    const reason = (error as Error).message;
    const expected = `at most ${ALIASES_MAX} alias expansions, of known anchors (${reason})`;
    return { kind: 'refused', expected };
  }
  return heightOf(value, DEPTH_MAX, new Map()) > DEPTH_MAX
    ? TOO_DEEP
    : { kind: 'ok', document, value };
}

/** Levels of a value; infinite where it goes on below `left`, or an anchor holds its own alias. */
function heightOf(value: unknown, left: number, known: Map<object, number>): number {
  if (typeof value !== 'object' || value === null) return 0;
  const before = known.get(value);
  if (before !== undefined) return before;
  if (left === 0) return Number.POSITIVE_INFINITY;
  known.set(value, Number.POSITIVE_INFINITY);
  let below = 0;
  for (const child of Object.values(value)) {
    below = Math.max(below, heightOf(child, left - 1, known));
  }
  known.set(value, below + 1);
  return below + 1;
}

/** Keys that stand twice in one map, and where. */
function repeatedKeys(document: Document): YamlError[] {
  const repeated: YamlError[] = [];
  visit(document, {
    Map(_, { items }) {
      const seen = new Set<unknown>();
      for (const { key } of items) {
        if (!isScalar(key)) continue;
        if (seen.has(key.value)) {
          const message = `Map keys must be unique, found ${JSON.stringify(key.value)} twice`;
          repeated.push({ message, pos: [rangeStart(key) ?? 0] });
        }
        seen.add(key.value);
      }
    },
  });
  return repeated;
}

/** Says how many problems are not told. */
function withRest(told: readonly Problem[], count: number, file: string): readonly Problem[] {
  if (count <= PROBLEMS_MAX) return told;
  const expected = `at most ${PROBLEMS_MAX} problems; ${count - PROBLEMS_MAX} more are not told`;
  return [...told, { file, line: undefined, field: '', value: undefined, expected }];
}

/** Parses a file's value with a schema; every problem carries line, field, value and expectation. */
export function parseWith<T>(schema: z.ZodType<T>, source: YamlFile): Parsed<T> {
  const parsed = schema.safeParse(source.value, { reportInput: true });
  if (parsed.success) return { kind: 'ok', value: parsed.data };
  return { kind: 'problems', problems: problemsOf(parsed.error, source, []) };
}

/** Turns a schema's complaints into problems; `base` is where the parsed value stands in the file. */
export function problemsOf(error: z.ZodError, source: YamlFile, base: Path): readonly Problem[] {
  const found = error.issues.flatMap((issue): { path: Path; expected: string }[] => {
    const path = [...base, ...(issue.path as Path)];
    if (issue.code !== 'unrecognized_keys') return [{ path, expected: expectationOf(issue) }];
    return issue.keys.map((key) => ({ path: [...path, key], expected: 'no such field' }));
  });
  const told = found.slice(0, PROBLEMS_MAX).map(({ path, expected }) => {
    const problem = problemAt(source, path, expected);
    return expected === 'no such field' ? { ...problem, value: undefined } : problem;
  });
  return withRest(told, found.length, source.file);
}

/** What a schema wanted, without the library's own phrase around it. */
function expectationOf(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_type') return issue.expected;
  if (issue.code === 'invalid_value') return `one of ${issue.values.map(String).join(', ')}`;
  return issue.message.replace(
    /^(Invalid input: expected |Too (small|big): expected \w+ to be )/,
    '',
  );
}

/** A problem at a place of a file, with the value that stands there. */
export function problemAt(source: YamlFile, path: Path, expected: string): Problem {
  return {
    file: source.file,
    line: source.lineOf(path),
    field: path.join('.'),
    value: formatValue(valueAt(source.value, path)),
    expected,
  };
}

/** One line for people: file:line: field: found value, expected what. */
export function formatProblem(problem: Problem): string {
  const place = problem.line === undefined ? problem.file : `${problem.file}:${problem.line}`;
  const field = problem.field === '' ? '' : `${problem.field}: `;
  const found = problem.value === undefined ? '' : `found ${problem.value}, `;
  return `${place}: ${field}${found}expected ${problem.expected}`;
}

function problem(one: Problem): { kind: 'problems'; problems: readonly Problem[] } {
  return { kind: 'problems', problems: [one] };
}

function formatValue(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  const text = JSON.stringify(value) ?? String(value);
  return text.length > VALUE_CHARACTERS_MAX ? `${text.slice(0, VALUE_CHARACTERS_MAX)}...` : text;
}

function valueAt(value: unknown, path: Path): unknown {
  let found: unknown = value;
  for (const key of path) {
    if (typeof found !== 'object' || found === null) return undefined;
    found = (found as Record<string | number, unknown>)[key];
  }
  return found;
}

/** The offset of a path, or of its nearest ancestor that is in the file. */
function offsetOf(root: unknown, path: Path): number | undefined {
  let node: unknown = root;
  let offset = rangeStart(root);
  for (const key of path) {
    if (isMap(node)) {
      const pair = node.items.find(
        (item) => isScalar(item.key) && String(item.key.value) === String(key),
      );
      if (pair === undefined) return offset;
      offset = rangeStart(pair.key) ?? offset;
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(key)];
      offset = rangeStart(node) ?? offset;
    } else return offset;
  }
  return offset;
}

function rangeStart(node: unknown): number | undefined {
  return (node as { range?: [number, number, number] } | null)?.range?.[0];
}
