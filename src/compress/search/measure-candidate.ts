import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { compareEvaluations } from '../../evaluate/accuracy.ts';
import type { Evaluate, Evaluation } from '../../evaluate/evaluation.ts';
import type { InputPart } from '../../infer/protocol.ts';
import { encodeModel } from '../../onnx/graph.ts';
import { LedgeError } from '../../std/error.ts';
import { admitModel } from '../admit-model.ts';
import { applyRecipe, type Source } from '../apply-recipe.ts';
import { type BoardLimits, boardProblem, boardReport } from '../board-limits.ts';
import { compareOn, refuseNoise } from '../compare-models.ts';
import { measureLatency } from '../measure-latency.ts';
import { measureLoads } from '../measure-load.ts';
import { formatsOf } from '../precision.ts';
import type { Recipe } from '../recipe.ts';
import { openForRuns } from '../run-model.ts';
import type { Figures } from './verdict.ts';

/** Enough to tell candidates apart; the chosen one is measured for longer. */
const LATENCY_TIME_MS = 500;

/** A recipe with what it gave. */
export interface Candidate {
  readonly recipe: Recipe;
  readonly formats: readonly string[];
  readonly figures: Figures;
}

export type Tried =
  | { readonly kind: 'measured'; readonly candidate: Candidate }
  | { readonly kind: 'skipped'; readonly reason: string };

/** Measures one candidate after the other beside the model as it was. */
export interface CandidateBench extends AsyncDisposable {
  /** Never throws what a candidate is to blame for. */
  measure(recipe: Recipe): Promise<Tried>;
}

export interface BenchOptions {
  readonly source: Source;
  readonly samples: readonly (readonly InputPart[])[];
  readonly scratch: string;
  readonly signal: AbortSignal;
  readonly evaluate?: Evaluate;
  readonly board?: BoardLimits;
}

/** Opens the model as it was, once for all candidates. */
export async function openCandidateBench(options: BenchOptions): Promise<CandidateBench> {
  const { source, samples, scratch, signal, board } = options;
  const { file, graph, read } = source;
  const reference = await openForRuns(file, graph);
  const before = await options.evaluate?.(file);
  /** Names by what they came to: two recipes may do the same to a model. */
  const known = new Map<string, string>();

  async function measure(recipe: Recipe): Promise<Tried> {
    const { model, passes } = await applyRecipe(read, { recipe, samples, scratch, signal });
    const bytes = encodeModel(model, read.originals);
    const hash = createHash('sha256').update(bytes).digest('hex');
    const same = known.get(hash);
    if (same !== undefined) return skip(`it gives the same model as ${same}`);
    known.set(hash, recipe.name);
    const weightBytes = bytes.length;
    if (board !== undefined) {
      const least = { weightBytes, residentBytes: 0, peakBytes: 0, passes };
      const problem = boardProblem(boardReport(board, least));
      if (problem !== undefined) return skip(problem);
    }
    const path = join(scratch, `candidate-${known.size}.onnx`);
    await writeFile(path, bytes);
    await admitModel(path, 'compress');
    // First in a process of its own: what brings the runtime down must not end the search.
    const loading = { graph, sample: samples[0]!, folder: scratch, signal, repeats: 1 };
    const [load] = await measureLoads([path], loading);
    const { residentBytes = 0, peakBytes = 0 } = load ?? {};
    if (board !== undefined) {
      const needs = { weightBytes, residentBytes, peakBytes, passes };
      const problem = boardProblem(boardReport(board, needs));
      if (problem !== undefined) return skip(problem);
    }
    await using found = await openForRuns(path, graph);
    const error = await compareOn(samples, [reference, found]);
    refuseNoise(error, recipe);
    const timing = { samples, signal, timeMs: LATENCY_TIME_MS };
    const { speedup } = await measureLatency(reference, found, timing);
    const after = await options.evaluate?.(path);
    const figures: Figures = {
      sizeBytes: weightBytes,
      latencyRatio: 1 / speedup,
      memoryBytes: peakBytes,
      sqnrDb: error.sqnrDb,
      ...(before && after && compared(before, after)),
    };
    return { kind: 'measured', candidate: { recipe, formats: formatsOf(passes), figures } };
  }

  return {
    measure: (recipe) =>
      measure(recipe).catch((error: unknown): Tried => {
        if (signal.aborted || !(error instanceof LedgeError)) throw error;
        return skip(error.message);
      }),
    [Symbol.asyncDispose]: () => reference[Symbol.asyncDispose](),
  };
}

function skip(reason: string): Tried {
  return { kind: 'skipped', reason };
}

/** On labelled data where there is any, else on the flow's own tests, which count in any case. */
function compared(
  before: readonly Evaluation[],
  after: readonly Evaluation[],
): Pick<Figures, 'accuracy' | 'changePp' | 'testsLost'> {
  const pairs = before.flatMap((one, at) => {
    const other = after[at];
    return other === undefined ? [] : [{ other, change: compareEvaluations(one, other) }];
  });
  const main = pairs.find(({ other }) => other.source === 'data') ?? pairs[0];
  const tests = pairs.find(({ other }) => other.source === 'tests');
  return {
    ...(main && { accuracy: main.other.value, changePp: main.change.changePp }),
    ...(tests && { testsLost: tests.change.lost }),
  };
}
