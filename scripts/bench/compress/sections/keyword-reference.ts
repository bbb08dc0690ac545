import { copyFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compileEntry } from '../../../../src/compress/passes.ts';
import { loadRecipe } from '../../../../src/compress/recipe.ts';
import { openForRuns, type RunningModel } from '../../../../src/compress/run-model.ts';
import type { InputPart } from '../../../../src/infer/protocol.ts';
import { encodeModel } from '../../../../src/onnx/graph.ts';
import { readModelFile } from '../../../../src/onnx/model-file.ts';
import type { Graph, Model } from '../../../../src/onnx/proto.ts';
import { quantiseOfficially } from '../../peers/official.ts';
import { createRow, skippedRow } from '../../row.ts';
import {
  FEATURE_SHAPE,
  KEYWORD_LABELS,
  type KeywordClip,
  readKeywordClips,
} from '../keyword-clips.ts';
import type { CompressBench, SectionResult } from '../section.ts';
import { formatSpread, ratiosOf, takeTurns } from '../turns.ts';

/** Calibration sees clips of speakers of the train part only. */
const CALIBRATION_CLIPS = 64;
const CALIBRATIONS = ['min-max', 'percentile', 'entropy', 'mse'] as const;
const OFFICIAL_METHODS = ['min-max', 'entropy', 'percentile'] as const;
/** Clips of one run where accuracy is counted; speed is measured with one. */
const BATCH = 64;
const RUNS_PER_TURN = 20;
/** The original's int8 file on the whole test set, as its benchmark tells: it was not run here. */
const TOLD_TFLITE = 'the original int8 .tflite: told 91.86 % on the whole test set, not run here';

/** kws_ref in 8 bits: accuracy through the real front end, size and speed, beside the official tool. */
export async function measureKeywordReference(bench: CompressBench): Promise<SectionResult> {
  if (bench.data === undefined) {
    const reason = '../shared/data is not here';
    bench.say(`SKIPPED: kws-ref: ${reason}`);
    return { rows: [skippedRow('kws_ref int8-static: accuracy', '%', reason)], tables: [] };
  }
  bench.say('kws-ref: features of all clips');
  const clips = await readKeywordClips(join(bench.data, 'voice/speech-commands'));
  const train = clips.filter(({ part }) => part === 'train');
  const stride = Math.floor(train.length / CALIBRATION_CLIPS);
  const calibration = Array.from({ length: CALIBRATION_CLIPS }, (_, at) => train[at * stride]!);
  const original = join(bench.folder, 'kws_ref.onnx');
  copyFileSync(join(bench.data, 'models/mlperf-tiny/kws_ref.onnx'), original);
  const { model } = await readModelFile(original);
  const graph = model.graph!;
  const files = new Map([['float', original]]);
  const samples = calibration.map((clip) => [partOf([clip])]);
  for (const method of CALIBRATIONS) {
    files.set(`int8-static, ${method}`, await quantise(bench, model, { method, samples }));
  }
  const version = await addOfficial(bench, { graph, calibration, files });
  const measured = await measureFiles(bench, { files, graph, clips });
  const float = measured.get('float')!;
  const int8 = measured.get('int8-static, min-max')!;
  const [from, to] = [float, int8].map(({ right }) => percent(right, clips.length));
  const rows = [
    createRow({
      name: 'kws_ref int8-static: accuracy lost',
      unit: 'percentage points',
      ledge: (100 * (float.right - int8.right)) / clips.length,
      judged: 'ledge <=',
      target: 0.5,
      note: `${from} to ${to} of ${clips.length} clips, train+dev; ${TOLD_TFLITE}`,
    }),
  ];
  const dev = clips.filter(({ part }) => part === 'dev').length;
  const lines = [...measured].map(([name, one]) => [
    name,
    (one.bytes / 1000).toFixed(0),
    (float.bytes / one.bytes).toFixed(2),
    formatSpread(ratiosOf(float.times, one.times)),
    percent(one.right, clips.length),
    percent(one.rightDev, dev),
  ]);
  const how = `The MFCC of our own stage; calibrated on ${CALIBRATION_CLIPS} clips of
the train part, the same ones for the official tool (${version}, quantize_static, QDQ, per
channel, after its quant_pre_process). One thread, one clip a run, in turns. Beside them,
${TOLD_TFLITE}: no runtime for it is to be had.`;
  const head = ['model', 'kB', 'smaller', 'faster', `accuracy of ${clips.length}`, `of ${dev} dev`];
  return { rows, tables: [{ title: 'kws_ref in 8 bits', how, head, lines }] };
}

interface Calibrating {
  readonly method: string;
  readonly samples: readonly (readonly InputPart[])[];
}

async function quantise(bench: CompressBench, from: Model, { method, samples }: Calibrating) {
  const { passes } = await loadRecipe('int8-static');
  let model = from;
  for (const entry of passes) {
    const own = 'int8-static' in entry ? { 'int8-static': { calibration: method } } : entry;
    model = (await compileEntry(own)(model, { samples, folder: bench.folder })).model;
  }
  const file = join(bench.folder, `kws-${method}.onnx`);
  writeFileSync(file, encodeModel(model));
  return file;
}

interface AddingOfficial {
  readonly graph: Graph;
  readonly calibration: readonly KeywordClip[];
  readonly files: Map<string, string>;
}

async function addOfficial(bench: CompressBench, { graph, calibration, files }: AddingOfficial) {
  const name = graph.inputs[0]?.name ?? '';
  const samples = calibration.map(({ features }, at) => {
    const file = `kws-sample-${at}.bin`;
    writeFileSync(join(bench.folder, file), features);
    return [{ name, file, type: 'float32', shape: [1, ...FEATURE_SHAPE] }];
  });
  const jobs = OFFICIAL_METHODS.map((method) => {
    const to = `kws-official-${method}.onnx`;
    return { kind: 'static', method, from: 'kws_ref.onnx', to, samples } as const;
  });
  const official = await quantiseOfficially(bench.trixie, bench.folder, jobs);
  if (official.kind === 'absent') {
    bench.say(`SKIPPED: the official tool: ${official.reason}`);
    return 'not here';
  }
  for (const { method, to } of jobs) {
    const failure = official.failures.get(to);
    if (failure === undefined) files.set(`official, ${method}`, join(bench.folder, to));
    else bench.say(`SKIPPED: official, ${method}: ${failure}`);
  }
  return `onnxruntime.quantization ${official.version}`;
}

interface MeasuringFiles {
  readonly files: ReadonlyMap<string, string>;
  readonly graph: Graph;
  readonly clips: readonly KeywordClip[];
}

async function measureFiles(bench: CompressBench, { files, graph, clips }: MeasuringFiles) {
  const models = new Map<string, RunningModel>();
  for (const [name, file] of files) models.set(name, await openForRuns(file, graph));
  const one = [partOf(clips.slice(0, 1))];
  const times = await takeTurns([...models.keys()], bench.rounds, async (name) => {
    const model = models.get(name)!;
    await model.run(one);
    const from = performance.now();
    for (let run = 0; run < RUNS_PER_TURN; run += 1) await model.run(one);
    return (performance.now() - from) / RUNS_PER_TURN;
  });
  const measured = new Map<string, Measured>();
  for (const [name, model] of models) {
    const right = await rightOf(model, clips);
    const rightDev = right.filter(({ part }) => part === 'dev').length;
    const { size } = statSync(files.get(name)!);
    measured.set(name, { bytes: size, right: right.length, rightDev, times: times.get(name)! });
    await model[Symbol.asyncDispose]();
  }
  return measured;
}

interface Measured {
  readonly bytes: number;
  readonly right: number;
  readonly rightDev: number;
  readonly times: readonly number[];
}

/** The clips that a model names as they are labelled. */
async function rightOf(model: RunningModel, clips: readonly KeywordClip[]) {
  const right: KeywordClip[] = [];
  for (let from = 0; from < clips.length; from += BATCH) {
    const some = clips.slice(from, from + BATCH);
    const [scores] = await model.run([partOf(some)]);
    for (const [at, clip] of some.entries()) {
      const row = Array.from({ length: KEYWORD_LABELS.length }, (_, label) =>
        Number(scores!.data[at * KEYWORD_LABELS.length + label]),
      );
      if (KEYWORD_LABELS[row.indexOf(Math.max(...row))] === clip.label) right.push(clip);
    }
  }
  return right;
}

function partOf(clips: readonly KeywordClip[]): InputPart {
  const size = FEATURE_SHAPE.reduce<number>((product, one) => product * one, 1);
  const data = new Float32Array(clips.length * size);
  for (const [at, { features }] of clips.entries()) data.set(features, at * size);
  return { shape: [clips.length, ...FEATURE_SHAPE], buffer: data.buffer, byteOffset: 0 };
}

function percent(right: number, count: number): string {
  return `${((100 * right) / count).toFixed(2)} %`;
}
