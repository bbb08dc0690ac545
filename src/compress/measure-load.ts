import type { InputPart } from '../infer/protocol.ts';
import type { Graph } from '../onnx/proto.ts';
import { runProgram } from './child-program.ts';
import { type SampleFile, writeSample } from './sample-file.ts';

/** What the probe is told, as its one argument. */
export interface ProbeRequest extends SampleFile {
  readonly file: string;
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
  const { signal } = options;
  const sample = await writeSample(options);
  const answers: ProbeAnswer[][] = files.map(() => []);
  for (let repeat = 0; repeat < (options.repeats ?? REPEATS); repeat += 1) {
    for (const [at, file] of files.entries()) {
      const request: ProbeRequest = { ...sample, file };
      const told = { file, argument: JSON.stringify(request), timeoutMs: TIMEOUT_MS, signal };
      answers[at]!.push(await runProgram<ProbeAnswer>('#compress-probe', told));
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
