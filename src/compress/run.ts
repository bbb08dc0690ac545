import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { InputPart } from '../infer/protocol.ts';
import { elementTypeCode } from '../onnx/element-type.ts';
import { constantsOf, encodeModel, tensorBytes } from '../onnx/graph.ts';
import { inspectModel } from '../onnx/inspect.ts';
import { type ModelFile, readModelFile } from '../onnx/model-file.ts';
import type { Graph, Model } from '../onnx/proto.ts';
import { splitWeights } from '../onnx/split-weights.ts';
import { LedgeError } from '../std/error.ts';
import { createComparison, type Difference } from './compare.ts';
import { measureLatency } from './measure-latency.ts';
import { measureLayers } from './measure-layers.ts';
import { measureLoads } from './measure-load.ts';
import { type OutputFolder, openOutputFolder, REPORT_FILE } from './output-folder.ts';
import { compileEntry } from './passes.ts';
import type { Recipe } from './recipe.ts';
import { type CompressReport, formatReport, type WrittenFile } from './report.ts';
import { openForRuns, type RunningModel } from './run-model.ts';
import { sampleInputs } from './sample-inputs.ts';

/** The compressed model's name in its folder. */
export const MODEL_FILE = 'model.onnx';
const MEGABYTE = 1_000_000;
/** The worst few say where to look. */
const LAYERS_TOLD = 10;
const LARGEST_TOLD = 3;
const PROBLEMS_TOLD = 5;

export interface CompressOptions {
  readonly file: string;
  readonly recipe: Recipe;
  /** Made whole or not at all. */
  readonly out: string;
  /** Recorded inputs, in the model's order; without them they are made as the recipe says. */
  readonly samples?: readonly (readonly InputPart[])[];
  readonly signal: AbortSignal;
  readonly onStep?: (what: string) => void;
  /** Further files for the folder, from what was written. */
  readonly beside?: (report: CompressReport) => ReadonlyMap<string, string>;
}

/**
 * Puts a model through a recipe, runs the result, and writes it with its report. Nothing is written
 * where the result does not run or is worse than the recipe accepts.
 * Throws `not-found`, `model-invalid`, `model-refused`, `config-invalid`, `data-unwritable`.
 */
export async function compressModel(options: CompressOptions): Promise<CompressReport> {
  const { file, recipe, signal } = options;
  await admit(file);
  const source = await readModelFile(file);
  const graph = graphOf(source.model, file);
  const samples = options.samples ?? makeSamples(graph, recipe);
  const scratch = await mkdtemp(join(tmpdir(), 'ledge-compress-'));
  try {
    await using folder = await openOutputFolder(options.out);
    const { model, passes, texts } = await applyPasses(source, { ...options, samples, scratch });
    const files = await writeModel(folder, source, { model, recipe });
    options.onStep?.('verify');
    const path = join(folder.path, MODEL_FILE);
    await admit(path);
    const loading = { graph, sample: samples[0]!, folder: scratch, signal };
    const [before, after] = await measureLoads([file, path], loading);
    if (before === undefined || after === undefined) throw new TypeError('two files were measured');
    const compared = await compareRuns([file, path], { graph, samples, signal, recipe });
    options.onStep?.('compare layers');
    const layers = await measureLayers(source.model, model, { samples, folder: scratch });
    const kind = options.samples === undefined ? 'made' : 'recorded';
    const report: CompressReport = {
      model: basename(file),
      recipe: recipe.name,
      passes,
      files,
      size: {
        before: source.fileBytes + source.externalBytes,
        after: files.reduce((sum, { bytes }) => sum + bytes, 0),
      },
      floatsLeft: floatsLeft(model),
      load: { before, after },
      ...compared,
      samples: { kind, count: samples.length },
      worstLayers: layers.filter(({ maxError }) => maxError > 0).slice(0, LAYERS_TOLD),
    };
    await writeTexts(folder, report, { ...options, texts });
    signal.throwIfAborted();
    await folder.commit();
    return report;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function admit(file: string): Promise<void> {
  const { problems } = await inspectModel(file);
  if (problems.length === 0) return;
  const told = problems.slice(0, PROBLEMS_TOLD).map(({ where, message }) => `${where}: ${message}`);
  throw new LedgeError('model-refused', `Cannot compress ${file}: ${told.join('; ')}`, {
    context: { file, problems },
  });
}

function graphOf(model: Model, file: string): Graph {
  if (model.graph !== undefined) return model.graph;
  throw new LedgeError('model-invalid', `Cannot compress ${file}: it has no graph`);
}

function makeSamples(graph: Graph, { samples }: Recipe): (readonly InputPart[])[] {
  const { count, seed, sizes, ranges } = samples;
  return Array.from({ length: count }, (_, at) =>
    sampleInputs(graph, { seed: seed + at, sizes, ranges }),
  );
}

interface Applying {
  readonly recipe: Recipe;
  readonly samples: readonly (readonly InputPart[])[];
  readonly scratch: string;
  readonly signal: AbortSignal;
  readonly onStep?: (what: string) => void;
}

async function applyPasses({ model, originals }: ModelFile, options: Applying) {
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

async function writeModel(
  folder: OutputFolder,
  { originals }: ModelFile,
  { model, recipe }: { readonly model: Model; readonly recipe: Recipe },
): Promise<readonly WrittenFile[]> {
  const written: WrittenFile[] = [];
  let whole = model;
  if (recipe.chunk !== undefined) {
    const split = splitWeights(model, recipe.chunk.megabytesMax * MEGABYTE);
    whole = split.model;
    for (const { name, pieces } of split.files) written.push(await folder.write(name, pieces));
  }
  const data = encodeModel(whole, originals);
  return [await folder.write(MODEL_FILE, [{ offset: 0, data }]), ...written];
}

interface Comparing {
  readonly graph: Graph;
  readonly samples: readonly (readonly InputPart[])[];
  readonly signal: AbortSignal;
  readonly recipe: Recipe;
}

/** The error first: what is refused for it need not be timed. */
async function compareRuns([before, after]: readonly [string, string], options: Comparing) {
  await using reference = await openForRuns(before, options.graph);
  await using found = await openForRuns(after, options.graph);
  const error = await compareOn(options.samples, [reference, found]);
  refuseNoise(error, options.recipe);
  const latency = await measureLatency(reference, found, options);
  return { error, latency };
}

async function compareOn(
  samples: readonly (readonly InputPart[])[],
  [reference, found]: readonly [RunningModel, RunningModel],
): Promise<Difference> {
  const comparison = createComparison();
  for (const sample of samples) {
    const wanted = await reference.run(sample);
    const given = await found.run(sample);
    for (const [at, { data }] of wanted.entries()) comparison.add(data, given[at]?.data ?? []);
  }
  return comparison.difference();
}

function refuseNoise({ sqnrDb, maxError }: Difference, { accept }: Recipe): void {
  if (Number.isFinite(maxError) && !(sqnrDb < accept.sqnrDbMin)) return;
  const found = `signal to noise ${sqnrDb.toFixed(1)} dB`;
  const state = `${found}, at least ${accept.sqnrDbMin} dB are asked`;
  throw new LedgeError('model-refused', `Cannot accept the compressed model: ${state}`, {
    context: { sqnrDb, maxError },
  });
}

function floatsLeft(model: Model): CompressReport['floatsLeft'] {
  const code = elementTypeCode('float32');
  const floats = [...constantsOf(model)].filter(({ dataType }) => dataType === code);
  const bytes = floats.reduce((sum, one) => sum + (tensorBytes(one) ?? 0), 0);
  const largest = floats
    .sort((a, b) => (tensorBytes(b) ?? 0) - (tensorBytes(a) ?? 0))
    .slice(0, LARGEST_TOLD)
    .map(({ name = '', dims }) => `${name} [${dims.join(', ')}]`);
  return { bytes, largest };
}

async function writeTexts(
  folder: OutputFolder,
  report: CompressReport,
  { beside, texts }: CompressOptions & { readonly texts: ReadonlyMap<string, string> },
): Promise<void> {
  await writeFile(join(folder.path, 'report.md'), formatReport(report));
  for (const [name, text] of [...texts, ...(beside?.(report) ?? [])]) {
    await writeFile(join(folder.path, name), text);
  }
  // JSON has no infinity: a ratio without noise is left out.
  await writeFile(join(folder.path, REPORT_FILE), `${JSON.stringify(report, null, 2)}\n`);
}
