import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { LedgeError } from '../std/error.ts';
import type { NamedTensorSpec } from '../tensor/tensor.ts';
import { checkModel } from './check.ts';
import { ONNX_LIMITS, type OnnxLimits, parseModel } from './graph.ts';
import { summarise } from './summary.ts';

/** Names in a file may be as long as the file; a problem shows so much of one. */
const TOLD_CHARACTERS_MAX = 200;

/** What an ONNX file says of itself, read without a runtime. */
export interface OnnxSummary {
  readonly irVersion: number;
  readonly producer: string;
  /** Version by operator domain; '' is ONNX's own. */
  readonly opsets: Readonly<Record<string, number>>;
  /** Graph inputs that are no initialisers, in order; symbolic dimensions are FREE. */
  readonly inputs: readonly NamedTensorSpec[];
  readonly outputs: readonly NamedTensorSpec[];
  /** How often each operator occurs, subgraphs included. */
  readonly operators: Readonly<Record<string, number>>;
  readonly parameters: number;
  readonly weightBytes: number;
  readonly fileBytes: number;
  /** By the type that holds most weight bytes: fp32, fp16, int8, int4. */
  readonly precision: string;
}

/** One reason why a model would not be run. */
export interface ModelProblem {
  /** The node, tensor or field it is about, as the file names it. */
  readonly where: string;
  readonly message: string;
}

export interface Inspection {
  /** Undefined where the file does not parse. */
  readonly summary: OnnxSummary | undefined;
  /** Empty: admitted. */
  readonly problems: readonly ModelProblem[];
}

export interface InspectOptions {
  /** Where external data may lie; without it, a model with external data is refused. */
  readonly folder?: string;
  readonly limits?: Partial<OnnxLimits>;
}

/**
 * Reads a model file and says what it is and why it would not be run. Throws only where there is no
 * file to read (`not-found`); anything wrong with its content is a problem.
 */
export async function inspectModel(
  path: string,
  limits: Partial<OnnxLimits> = {},
): Promise<Inspection> {
  const { fileBytesMax } = { ...ONNX_LIMITS, ...limits };
  const content = await readBounded(path, fileBytesMax);
  if (content.kind === 'too-large') {
    const message = `the file has ${content.bytes} bytes, the limit is ${fileBytesMax}`;
    return { summary: undefined, problems: [{ where: 'file', message }] };
  }
  return inspectBytes(content.bytes, { folder: dirname(path), limits });
}

/** The same for a model in memory. Never throws. */
export async function inspectBytes(
  bytes: Uint8Array,
  options: InspectOptions = {},
): Promise<Inspection> {
  const limits = { ...ONNX_LIMITS, ...options.limits };
  try {
    const model = parseModel(bytes, limits);
    const problems = await checkModel(model, { folder: options.folder, limits });
    const told = problems.map(({ where, message }) => ({
      where: cut(where),
      message: cut(message),
    }));
    return { summary: summarise(model, bytes.length), problems: told };
  } catch (error) {
    if (!(error instanceof LedgeError)) throw error;
    return { summary: undefined, problems: [{ where: 'file', message: error.message }] };
  }
}

/** A text that quotes a file, at a length that fits a log line. */
function cut(text: string): string {
  return text.length <= TOLD_CHARACTERS_MAX ? text : `${text.slice(0, TOLD_CHARACTERS_MAX)}...`;
}

type Content =
  | { readonly kind: 'read'; readonly bytes: Uint8Array }
  | { readonly kind: 'too-large'; readonly bytes: number };

/** A file's bytes, or how many they would be. Throws `not-found` where there is no file. */
export async function readBounded(path: string, bytesMax: number): Promise<Content> {
  try {
    await using file = await open(path, 'r');
    const stat = await file.stat();
    if (!stat.isFile()) throw new LedgeError('not-found', `Cannot read ${path}: it is no file`);
    if (stat.size > bytesMax) return { kind: 'too-large', bytes: stat.size };
    const whole = await file.readFile();
    // A plain view: parts of a Buffer would be Buffers, whose slice() does not copy.
    return { kind: 'read', bytes: new Uint8Array(whole.buffer, whole.byteOffset, whole.length) };
  } catch (cause) {
    if (cause instanceof LedgeError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new LedgeError('not-found', `Cannot read ${path}: ${reason}`, { cause });
  }
}
