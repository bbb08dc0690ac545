import { mkdtempSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { compareOutputs, type Difference } from '../../src/compress/compare.ts';
import { compilePass, type Pass, type PassReport } from '../../src/compress/pass.ts';
import { openForRuns } from '../../src/compress/run-model.ts';
import {
  PLAIN_SAMPLES,
  type SampleOptions,
  sampleInputs,
} from '../../src/compress/sample-inputs.ts';
import { encodeModel } from '../../src/onnx/graph.ts';
import { inspectBytes } from '../../src/onnx/inspect.ts';
import { readModelFile } from '../../src/onnx/model-file.ts';
import type { Model } from '../../src/onnx/proto.ts';

/** A model after a pass, beside itself. */
export interface PassOutcome {
  readonly model: Model;
  readonly report: PassReport;
  /** Of the outputs, over three samples. */
  readonly difference: Difference;
  readonly bytes: number;
  readonly bytesBefore: number;
  /** How often each operator occurs afterwards. */
  readonly operators: Readonly<Record<string, number>>;
}

/** The real models that run alone, with the samples that they need where the plain ones do not fit. */
export const REAL_MODELS: Readonly<Record<string, Partial<SampleOptions>>> = {
  'dtln/model_1.onnx': {},
  'dtln/model_2.onnx': {},
  'mlperf-tiny/ad01_toycar.onnx': {},
  'mlperf-tiny/ic_resnet8.onnx': {},
  'mlperf-tiny/kws_ref.onnx': {},
  'mlperf-tiny/vww_96.onnx': {},
  'openwakeword/alexa_v0.1.onnx': {},
  'openwakeword/embedding_model.onnx': { sizes: { 'input_1.1': 76 } },
  'openwakeword/melspectrogram.onnx': { sizes: { 'input.1': 1280 } },
  'silero-vad/silero_vad.onnx': {
    sizes: { 'input.1': 512 },
    ranges: { sr: { min: 16_000, max: 16_000 } },
  },
  'squeezenet/SqueezeNet_fp16.onnx': {},
  'tiny-random-gpt2/past.onnx': {
    sizes: { total_sequence: 2 },
    ranges: { input_ids: { min: 0, max: 900 }, attention_mask: { min: 1, max: 1 } },
  },
  'ultraface/version-RFB-320.onnx': {},
};

/** Gives what a pass makes of models, run in the runtime before and after. */
export function createPassCase() {
  const folder = mkdtempSync(join(tmpdir(), 'ledge-compress-'));
  afterAll(() => rm(folder, { recursive: true }));

  async function outputsOf(bytes: Uint8Array, model: Model, options: SampleOptions) {
    const file = join(folder, 'model.onnx');
    writeFileSync(file, bytes);
    if (model.graph === undefined) throw new Error('a model without a graph');
    await using running = await openForRuns(file, model.graph);
    const runs = [];
    for (const seed of [1, 2, 3]) {
      runs.push(...(await running.run(sampleInputs(model.graph, { ...options, seed }))));
    }
    return runs;
  }

  return {
    folder,
    /** Runs a pass with a configuration as a recipe would give it. */
    async apply<C>(
      before: Model,
      pass: Pass<C>,
      config: object = {},
      given: Partial<SampleOptions> = {},
    ): Promise<PassOutcome> {
      const options = { ...PLAIN_SAMPLES, ...given };
      if (before.graph === undefined) throw new Error('a model without a graph');
      const graph = before.graph;
      const samples = [4, 5, 6, 7].map((seed) => sampleInputs(graph, { ...options, seed }));
      const compiled = compilePass(pass, pass.schema.parse(config));
      const { model, report } = await compiled(before, { samples, folder });
      const [old, bytes] = [encodeModel(before), encodeModel(model)];
      const { summary, problems } = await inspectBytes(bytes);
      if (problems.length > 0) throw new Error(JSON.stringify(problems));
      const difference = compareOutputs(
        await outputsOf(old, before, options),
        await outputsOf(bytes, model, options),
      );
      const operators = summary?.operators ?? {};
      const sizes = { bytes: bytes.length, bytesBefore: old.length };
      return { model, report, difference, operators, ...sizes };
    },
    read: async (file: string) => (await readModelFile(file)).model,
  };
}
