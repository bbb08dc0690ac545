import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { InputPart } from '../../infer/protocol.ts';
import {
  constantsOf,
  ONNX_LIMITS,
  parseModel,
  requiredInputs,
  tensorBytes,
} from '../../onnx/graph.ts';
import { readBounded } from '../../onnx/inspect.ts';
import { readModelFile } from '../../onnx/model-file.ts';
import type { Graph, Model } from '../../onnx/proto.ts';
import { LedgeError } from '../../std/error.ts';
import { admitModel } from '../admit-model.ts';
import { runProgram } from '../child-program.ts';
import { writeSample } from '../sample-file.ts';
import { sampleInputs } from '../sample-inputs.ts';
import { figuresOf } from './figures.ts';
import type { Peaks } from './peaks.ts';
import type { ProfileAnswer, ProfileRequest } from './probe-protocol.ts';
import type { Profile } from './profile.ts';
import { readTrace } from './trace.ts';

export interface ProfileOptions {
  readonly file: string;
  /** Recorded inputs, in the model's order; without them they are made. */
  readonly samples?: readonly (readonly InputPart[])[];
  /** Sizes of free dimensions for made inputs, by symbol or as `input.axis`; others are 1. */
  readonly sizes?: Readonly<Record<string, number>>;
  readonly threads?: number;
  /** So many runs exactly; otherwise as many as fit in a few seconds. */
  readonly runs?: number;
  /** What the machine can do, where it is known from another profile: measuring it takes a second. */
  readonly machine?: Peaks;
  readonly signal: AbortSignal;
}

/** As the node runs models unless told otherwise. */
const THREADS = 1;
/** Enough for a middle and a spread. */
const RUNS = 100;
/** Recorded inputs differ little in what they cost. */
const SAMPLES_MAX = 4;
const TIMEOUT_MS = 600_000;
/** The runtime may add constants of its own, and reads no file of more than 2 GB. */
const OPTIMISED_BYTES_MAX = 2 * ONNX_LIMITS.fileBytesMax;

/**
 * Measures where a model's time and memory go, in a process of its own. Throws `not-found`,
 * `model-invalid`, `model-refused`, `config-invalid`, `unsupported`.
 */
export async function profileModel(options: ProfileOptions): Promise<Profile> {
  const { file, signal, threads = THREADS } = options;
  await admitModel(file, 'profile');
  const { model } = await readModelFile(file);
  // An admitted model has one.
  const graph = model.graph!;
  const samples = pickSamples(options.samples ?? []) ?? [makeSample(graph, options)];
  const folder = await mkdtemp(join(tmpdir(), 'ledge-profile-'));
  try {
    const files = [];
    for (const [at, sample] of samples.entries()) {
      files.push(await writeSample({ graph, sample, folder, name: `sample-${at}.bin` }));
    }
    const request: ProfileRequest = {
      file,
      folder,
      samples: files,
      threads,
      runsMax: options.runs ?? RUNS,
      exact: options.runs !== undefined,
      weightBytes: weightBytesOf(model),
      ...(options.machine && { peaks: options.machine }),
    };
    const argument = join(folder, 'request.json');
    await writeFile(argument, JSON.stringify(request));
    const answer = await runProgram<ProfileAnswer>('#profile-probe', {
      file,
      argument,
      timeoutMs: TIMEOUT_MS,
      signal,
    }).catch((error: unknown) => {
      throw withHint(error, graph, options);
    });
    const runs = (await readTrace(answer.traceFile)).slice(answer.warmUpRuns);
    return figuresOf({
      model: basename(file),
      threads,
      answer,
      runs,
      source: model,
      optimised: await readOptimised(answer.optimisedFile),
      sample: files[0]!,
      samples: { kind: options.samples?.length ? 'recorded' : 'made', count: files.length },
      weightBytes: request.weightBytes,
    });
  } finally {
    // A process that was stopped may have been writing.
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** Free dimensions of the inputs, as a caller may give their sizes. */
function freeDimensions(graph: Graph): readonly { name: string; symbol: string }[] {
  return requiredInputs(graph).flatMap((value) =>
    (value.type?.tensor?.shape?.dims ?? []).flatMap(({ size, symbol = '' }, axis) =>
      size !== undefined && size >= 0n ? [] : { name: `${value.name}.${axis}`, symbol },
    ),
  );
}

function makeSample(graph: Graph, { file, sizes = {} }: ProfileOptions): readonly InputPart[] {
  const free = freeDimensions(graph);
  const known = new Set(free.flatMap(({ name, symbol }) => [name, symbol]));
  const strange = Object.keys(sizes).find((name) => !known.has(name));
  if (strange !== undefined) {
    const state = `it has no free dimension "${strange}"; ${tellFree(free)}`;
    throw new LedgeError('config-invalid', `Cannot size ${file}: ${state}`);
  }
  return sampleInputs(graph, { seed: 1, sizes, ranges: {} });
}

function tellFree(free: ReturnType<typeof freeDimensions>): string {
  if (free.length === 0) return 'all its sizes are given';
  const told = free.map(({ name, symbol }) => (symbol === '' ? name : `${symbol} (${name})`));
  return `free are ${told.join(', ')}`;
}

/** A few of the shapes that come most often: a middle over runs of different work is none's. */
function pickSamples(
  recorded: readonly (readonly InputPart[])[],
): readonly (readonly InputPart[])[] | undefined {
  const groups = new Map<string, (readonly InputPart[])[]>();
  for (const sample of recorded) {
    const key = JSON.stringify(sample.map(({ shape }) => shape));
    groups.set(key, [...(groups.get(key) ?? []), sample]);
  }
  const [most] = [...groups.values()].sort((a, b) => b.length - a.length);
  return most?.slice(0, SAMPLES_MAX);
}

/** A model that does not run on inputs of size 1 may run on larger ones. */
function withHint(error: unknown, graph: Graph, { samples }: ProfileOptions): unknown {
  if (!(error instanceof LedgeError) || samples?.length) return error;
  const free = freeDimensions(graph);
  if (free.length === 0) return error;
  const message = `${error.message} (${tellFree(free)}: give sizes with --size name=number)`;
  return new LedgeError(error.code, message, { cause: error });
}

function weightBytesOf(model: Model): number {
  let bytes = 0;
  for (const tensor of constantsOf(model)) bytes += tensorBytes(tensor) ?? 0;
  return bytes;
}

/** The runtime's own form of the model; what does not parse is done without. */
async function readOptimised(file: string): Promise<Graph | undefined> {
  const content = await readBounded(file, OPTIMISED_BYTES_MAX).catch(() => undefined);
  if (content?.kind !== 'read') return undefined;
  let model: Model;
  try {
    model = parseModel(content.bytes);
  } catch (error) {
    if (error instanceof LedgeError) return undefined;
    throw error;
  }
  return model.graph;
}
