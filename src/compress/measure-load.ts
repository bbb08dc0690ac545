import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { InputPart } from '../infer/protocol.ts';
import { elementTypeOf } from '../onnx/element-type.ts';
import { requiredInputs } from '../onnx/graph.ts';
import type { Graph, ValueInfo } from '../onnx/proto.ts';
import { LedgeError } from '../std/error.ts';
import {
  type DataType,
  elementBytes,
  elementCount,
  type NamedTensorSpec,
} from '../tensor/tensor.ts';

/** What the probe is told, as its one argument. */
export interface ProbeRequest {
  readonly file: string;
  /** The file with the numbers of one run, and where each input begins in it. */
  readonly data: string;
  readonly inputs: readonly (NamedTensorSpec & { readonly byteOffset: number })[];
  readonly outputs: readonly NamedTensorSpec[];
}

/** What it costs to load a model, beside the runtime itself. */
export interface ProbeAnswer {
  readonly loadMs: number;
  /** Resident memory after loading, after one run, and at the highest point of both. */
  readonly loadedBytes: number;
  readonly residentBytes: number;
  readonly peakBytes: number;
}

/** Loads are measured so often, in turns; the least time and memory of each counts. */
const REPEATS = 3;
/** A model of a gigabyte on a slow card takes about a minute to load. */
const TIMEOUT_MS = 300_000;
/** Arrays begin at multiples of this, as typed arrays want it. */
const ALIGNMENT = 8;

export interface LoadOptions {
  readonly graph: Graph;
  readonly sample: readonly InputPart[];
  readonly folder: string;
  readonly signal: AbortSignal;
  /** How often each is loaded. */
  readonly repeats?: number;
}

/**
 * Loads and runs each file in a process of its own, in turns. Throws `model-refused` where one dies or
 * fails: a file that does not run is found here.
 */
export async function measureLoads(
  files: readonly string[],
  options: LoadOptions,
): Promise<readonly ProbeAnswer[]> {
  const request = await writeRequest(options);
  const answers: ProbeAnswer[][] = files.map(() => []);
  for (let repeat = 0; repeat < (options.repeats ?? REPEATS); repeat += 1) {
    for (const [at, file] of files.entries()) {
      answers[at]!.push(await probe({ ...request, file }, options.signal));
    }
  }
  return answers.map(least);
}

function least(answers: readonly ProbeAnswer[]): ProbeAnswer {
  const of = (key: keyof ProbeAnswer) => Math.min(...answers.map((answer) => answer[key]));
  return {
    loadMs: of('loadMs'),
    loadedBytes: of('loadedBytes'),
    residentBytes: of('residentBytes'),
    peakBytes: of('peakBytes'),
  };
}

async function writeRequest({ graph, sample, folder }: LoadOptions): Promise<ProbeRequest> {
  const parts: Uint8Array[] = [];
  let byteOffset = 0;
  const inputs = requiredInputs(graph).map((value, at) => {
    const { name, type } = typeOf(value);
    const { shape, buffer, byteOffset: from } = sample[at]!;
    const bytes = elementCount(shape) * elementBytes(type);
    const padded = new Uint8Array(Math.ceil(bytes / ALIGNMENT) * ALIGNMENT);
    padded.set(new Uint8Array(buffer, from, bytes));
    parts.push(padded);
    const input = { name, type, shape, byteOffset };
    byteOffset += padded.length;
    return input;
  });
  const data = join(folder, 'sample.bin');
  await writeFile(data, Buffer.concat(parts));
  const outputs = graph.outputs.map((value) => ({ ...typeOf(value), shape: [] }));
  return { file: '', data, inputs, outputs };
}

function typeOf(value: ValueInfo): { name: string; type: DataType } {
  const type = elementTypeOf(value.type?.tensor?.elementType)?.dataType;
  return { name: value.name ?? '', type: type ?? 'float32' };
}

/** The built program: it runs as plain JavaScript wherever this runs from. */
function probeFile(): string {
  return createRequire(import.meta.url).resolve('#compress-probe');
}

async function probe(request: ProbeRequest, signal: AbortSignal): Promise<ProbeAnswer> {
  const args = [probeFile(), JSON.stringify(request)];
  const options = { signal, timeout: TIMEOUT_MS, killSignal: 'SIGKILL' } as const;
  const output = await new Promise<string>((resolve, reject) => {
    execFile(process.execPath, args, options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(failed(request.file, error, stderr));
    });
  });
  return JSON.parse(output) as ProbeAnswer;
}

/** The last line that names an error says why; a process that was killed says nothing. */
function failed(file: string, error: Error & { signal?: unknown }, stderr: string): LedgeError {
  const told = stderr.split('\n').findLast((line) => /Error/.test(line));
  const reason = told?.trim() ?? (error.signal ? `it ended by ${error.signal}` : error.message);
  return new LedgeError('model-refused', `Cannot run ${file}: ${reason}`, { cause: error });
}
