import type { InputPart } from '../infer/protocol.ts';
import { encodeModel } from '../onnx/graph.ts';
import { type ModelFile, readModelFile } from '../onnx/model-file.ts';
import type { Graph, Model } from '../onnx/proto.ts';
import { LedgeError } from '../std/error.ts';
import { admitModel } from './admit-model.ts';
import { compileEntry } from './passes.ts';
import type { Recipe } from './recipe.ts';
import type { CompressReport } from './report.ts';
import { sampleInputs } from './sample-inputs.ts';

/** A model's file that the node would take, read, with its graph. */
export interface Source {
  readonly file: string;
  readonly read: ModelFile;
  readonly graph: Graph;
}

/** Reads a model's file. Throws `model-refused` with the nodes in question, `model-invalid`. */
export async function openSource(file: string): Promise<Source> {
  await admitModel(file, 'compress');
  const read = await readModelFile(file);
  const { graph } = read.model;
  if (graph !== undefined) return { file, read, graph };
  throw new LedgeError('model-invalid', `Cannot compress ${file}: it has no graph`);
}

/** Inputs as a recipe wants them made, where none are recorded. */
export function makeSamples(graph: Graph, { samples }: Pick<Recipe, 'samples'>) {
  const { count, seed, sizes, ranges } = samples;
  return Array.from({ length: count }, (_, at) =>
    sampleInputs(graph, { seed: seed + at, sizes, ranges }),
  );
}

export interface Applying {
  readonly recipe: Recipe;
  readonly samples: readonly (readonly InputPart[])[];
  /** A folder for models that passes make to measure them. */
  readonly scratch: string;
  readonly signal: AbortSignal;
  readonly onStep?: (what: string) => void;
}

/** A model after a recipe, and what each pass did. */
export interface Applied {
  readonly model: Model;
  readonly passes: CompressReport['passes'];
  /** Texts to stand beside the model, by the names of their files. */
  readonly texts: ReadonlyMap<string, string>;
}

/** Puts a model through the passes of a recipe. */
export async function applyRecipe(
  { model, originals }: ModelFile,
  options: Applying,
): Promise<Applied> {
  const { recipe, samples, scratch, signal } = options;
  const passes: CompressReport['passes'][number][] = [];
  const texts = new Map<string, string>();
  let next = model;
  for (const entry of recipe.passes) {
    signal.throwIfAborted();
    options.onStep?.(Object.keys(entry)[0] ?? '');
    const result = await compileEntry(entry)(next, { samples, folder: scratch });
    next = result.model;
    for (const [name, text] of result.files) texts.set(name, text);
    passes.push({ ...result.report, bytes: encodeModel(next, originals).length });
  }
  return { model: next, passes, texts };
}
