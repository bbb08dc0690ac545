import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { compareEvaluations } from '../evaluate/accuracy.ts';
import type { Evaluate } from '../evaluate/evaluation.ts';
import type { InputPart } from '../infer/protocol.ts';
import { elementTypeCode } from '../onnx/element-type.ts';
import { constantsOf, encodeModel, tensorBytes } from '../onnx/graph.ts';
import type { ModelFile } from '../onnx/model-file.ts';
import type { Graph, Model } from '../onnx/proto.ts';
import { splitWeights } from '../onnx/split-weights.ts';
import { admitModel } from './admit-model.ts';
import { applyRecipe, makeSamples, openSource } from './apply-recipe.ts';
import { type BoardLimits, boardReport, refuseForBoard } from './board-limits.ts';
import { compareOn, refuseNoise } from './compare-models.ts';
import { measureLatency } from './measure-latency.ts';
import { measureLayers } from './measure-layers.ts';
import { measureLoads } from './measure-load.ts';
import { type OutputFolder, openOutputFolder, REPORT_FILE } from './output-folder.ts';
import type { Recipe } from './recipe.ts';
import { type CompressReport, formatReport, type WrittenFile } from './report.ts';
import { openForRuns } from './run-model.ts';
import type { Budget } from './search/budget.ts';
import { checkFound } from './search/check-found.ts';
import type { SearchReport } from './search/search-report.ts';

/** The compressed model's name in its folder. */
export const MODEL_FILE = 'model.onnx';
const MEGABYTE = 1_000_000;
/** The worst few say where to look. */
const LAYERS_TOLD = 10;
const LARGEST_TOLD = 3;

/** A search that found a recipe. */
export interface Searched {
  readonly report: SearchReport;
  readonly budget: Budget;
}

export interface CompressOptions {
  readonly file: string;
  readonly recipe: Recipe;
  /** Made whole or not at all. */
  readonly out: string;
  /** Recorded inputs, in the model's order; without them they are made as the recipe says. */
  readonly samples?: readonly (readonly InputPart[])[];
  readonly signal: AbortSignal;
  readonly onStep?: (what: string) => void;
  /** How the flow does with a model file in the place of its own, by every source there is. */
  readonly evaluate?: Evaluate;
  /** The board whose limits the result must keep. */
  readonly board?: BoardLimits;
  /** How the recipe was found, and the budget that it must hold in the end. */
  readonly search?: Searched;
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
  const source = await openSource(file);
  const { graph } = source;
  const samples = options.samples ?? makeSamples(graph, recipe);
  const scratch = await mkdtemp(join(tmpdir(), 'ledge-compress-'));
  try {
    await using folder = await openOutputFolder(options.out);
    const applying = { ...options, samples, scratch };
    const { model, passes, texts } = await applyRecipe(source.read, applying);
    const files = await writeModel(folder, source.read, { model, recipe });
    options.onStep?.('verify');
    const path = join(folder.path, MODEL_FILE);
    await admitModel(path, 'compress');
    const loading = { graph, sample: samples[0]!, folder: scratch, signal };
    const [before, after] = await measureLoads([file, path], loading);
    if (before === undefined || after === undefined) throw new TypeError('two files were measured');
    const size = {
      before: source.read.fileBytes + source.read.externalBytes,
      after: files.reduce((sum, { bytes }) => sum + bytes, 0),
    };
    const board =
      options.board && boardReport(options.board, { ...after, weightBytes: size.after, passes });
    if (board !== undefined) refuseForBoard(board);
    const compared = await compareRuns([file, path], { graph, samples, signal, recipe });
    const accuracy = await compareAccuracy([file, path], options);
    options.onStep?.('compare layers');
    const layers = await measureLayers(source.read.model, model, { samples, folder: scratch });
    const kind = options.samples === undefined ? 'made' : 'recorded';
    const measured: CompressReport = {
      model: basename(file),
      recipe: recipe.name,
      passes,
      files,
      size,
      floatsLeft: floatsLeft(model),
      load: { before, after },
      ...compared,
      ...accuracy,
      samples: { kind, count: samples.length },
      worstLayers: layers.filter(({ maxError }) => maxError > 0).slice(0, LAYERS_TOLD),
      ...(board && { board }),
    };
    const report = withSearch(measured, options.search);
    await writeTexts(folder, report, { ...options, texts });
    signal.throwIfAborted();
    await folder.commit();
    return report;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
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

function withSearch(report: CompressReport, search: Searched | undefined): CompressReport {
  if (search === undefined) return report;
  const doubt = checkFound(search.budget, report);
  return { ...report, search: { ...search.report, ...(doubt && { doubt }) } };
}

/** On labelled data where there is any, and on the flow's own tests. */
async function compareAccuracy(
  [before, after]: readonly [string, string],
  { evaluate, onStep }: CompressOptions,
): Promise<Pick<CompressReport, 'accuracy' | 'tests'>> {
  if (evaluate === undefined) return {};
  onStep?.('evaluate');
  const was = await evaluate(before);
  const is = await evaluate(after);
  const pairs = was.flatMap((one, at) => (is[at] ? [compareEvaluations(one, is[at])] : []));
  const tests = pairs.find(({ source }) => source === 'tests');
  const accuracy = pairs.find(({ source }) => source === 'data') ?? tests;
  return { ...(accuracy && { accuracy }), ...(tests && { tests }) };
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
