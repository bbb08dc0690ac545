import { statSync } from 'node:fs';
import { join } from 'node:path';
import { compareOutputs, type Difference } from '../../../../src/compress/compare.ts';
import { openForRuns, type RunningModel } from '../../../../src/compress/run-model.ts';
import { PLAIN_SAMPLES, sampleInputs } from '../../../../src/compress/sample-inputs.ts';
import type { InputPart } from '../../../../src/infer/protocol.ts';
import { readModelFile } from '../../../../src/onnx/model-file.ts';
import type { Graph } from '../../../../src/onnx/proto.ts';
import { skippedRow } from '../../row.ts';
import { applyRecipe } from '../apply-recipe.ts';
import { type RealModel, realModels } from '../real-models.ts';
import type { CompressBench, SectionResult } from '../section.ts';
import { formatSpread, ratiosOf, takeTurns } from '../turns.ts';

const RECIPES = ['clean', 'int8', 'int8-static', 'int8-block', 'int4', 'fp16'];
const THREADS = 1;
/** Calibration and comparison use samples of their own. */
const CALIBRATION_SEEDS = Array.from({ length: 8 }, (_, at) => at + 1);
const COMPARED_SEEDS = [101, 102, 103, 104];
/** A recipe holds where the noise is at most a tenth of the signal. */
const SQNR_DB_MIN = 20;
/** A turn runs a model as often as this takes, at least once. */
const TURN_MS = 3;

/** Every real model through every recipe: which hold, what they bring and what they cost. */
export async function measureRealModels(bench: CompressBench): Promise<SectionResult> {
  if (bench.data === undefined) {
    const reason = '../shared/data is not here';
    bench.say(`SKIPPED: real models: ${reason}`);
    return { rows: [skippedRow('real models', '', reason)], tables: [] };
  }
  const lines: (readonly string[])[] = [];
  for (const model of realModels(bench.data)) {
    bench.say(`real-models: ${model.name}`);
    lines.push(...(await measureModel(bench, model)));
  }
  return {
    rows: [],
    tables: [
      {
        title: 'All real models and all recipes',
        how: `One thread of onnxruntime-node, original and all recipes in turns; made inputs, other
ones to calibrate with. Holds: SQNR of the outputs of at least ${SQNR_DB_MIN} dB. A
recipe that leaves the size within 1 % and the outputs equal is told as "no change".`,
        head: ['model', 'recipe', 'holds', 'kB', 'smaller', 'faster', 'max error', 'SQNR dB'],
        lines,
      },
    ],
  };
}

interface Variant {
  readonly recipe: string;
  readonly running: RunningModel;
  readonly bytes: number;
  readonly difference: Difference;
}

async function measureModel(bench: CompressBench, model: RealModel) {
  const { graph } = (await readModelFile(model.file)).model;
  if (graph === undefined) return [];
  const samplesOf = (seeds: readonly number[]) =>
    seeds.map((seed) => sampleInputs(graph, { ...PLAIN_SAMPLES, ...model.inputs, seed }));
  await using original = await openForRuns(model.file, graph, { threads: THREADS });
  const before = statSync(model.file).size;
  const lines: (readonly string[])[] = [];
  const variants: Variant[] = [];
  const compared = samplesOf(COMPARED_SEEDS);
  for (const recipe of RECIPES) {
    try {
      const samples = () => samplesOf(CALIBRATION_SEEDS);
      const made = { recipe, original, compared, samples, graph };
      variants.push(await makeVariant(bench, model, made));
    } catch (error) {
      const reason = error instanceof Error ? error.message.split('\n')[0]! : String(error);
      lines.push([model.name, recipe, `refused: ${reason.slice(0, 100)}`, '', '', '', '', '']);
    }
  }
  const times = await timesOf(bench, { original, variants, sample: compared[0]! });
  for (const { recipe, bytes, difference, running } of variants) {
    const { sqnrDb, maxError, maxMagnitude } = difference;
    const same = maxError === 0 && Math.abs(bytes / before - 1) < 0.01;
    lines.push([
      model.name,
      recipe,
      same ? 'no change' : sqnrDb >= SQNR_DB_MIN ? 'yes' : '**no**',
      (bytes / 1000).toFixed(0),
      (before / bytes).toFixed(2),
      formatSpread(ratiosOf(times.get('original')!, times.get(recipe)!)),
      `${maxError.toPrecision(2)} of ${maxMagnitude.toPrecision(2)}`,
      Number.isFinite(sqnrDb) ? sqnrDb.toFixed(1) : 'equal',
    ]);
    await running[Symbol.asyncDispose]();
  }
  return lines;
}

interface Making {
  readonly recipe: string;
  readonly original: RunningModel;
  readonly compared: readonly (readonly InputPart[])[];
  readonly samples: () => InputPart[][];
  readonly graph: Graph;
}

async function makeVariant(
  bench: CompressBench,
  { file }: RealModel,
  { recipe, original, compared, samples, graph }: Making,
): Promise<Variant> {
  const to = join(bench.folder, `real-${recipe}.onnx`);
  const { bytes } = await applyRecipe(file, to, { recipe, samplesOf: samples });
  const running = await openForRuns(to, graph, { threads: THREADS });
  const wanted = [];
  const found = [];
  for (const sample of compared) {
    wanted.push(...(await original.run(sample)));
    found.push(...(await running.run(sample)));
  }
  return { recipe, running, bytes, difference: compareOutputs(wanted, found) };
}

interface Timing {
  readonly original: RunningModel;
  readonly variants: readonly Variant[];
  readonly sample: readonly InputPart[];
}

/** Milliseconds of a run, round by round, the original among the variants. */
async function timesOf(bench: CompressBench, { original, variants, sample }: Timing) {
  const models = new Map([
    ['original', original],
    ...variants.map(({ recipe, running }) => [recipe, running] as const),
  ]);
  const started = performance.now();
  await original.run(sample);
  const runs = Math.max(1, Math.round(TURN_MS / (performance.now() - started)));
  return takeTurns([...models.keys()], bench.rounds, async (name) => {
    const model = models.get(name)!;
    await model.run(sample);
    const from = performance.now();
    for (let run = 0; run < runs; run += 1) await model.run(sample);
    return (performance.now() - from) / runs;
  });
}
