import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { SampleOptions } from '../../../src/compress/sample-inputs.ts';

/** A real model, and the inputs that it needs where plain ones do not fit. */
export interface RealModel {
  readonly name: string;
  readonly file: string;
  readonly inputs: Partial<SampleOptions>;
}

const WAKE = 'openwakeword';
const INPUTS: Readonly<Record<string, Partial<SampleOptions>>> = {
  'mlperf-tiny/kws_ref.onnx': {},
  'mlperf-tiny/vww_96.onnx': {},
  'mlperf-tiny/ic_resnet8.onnx': {},
  'mlperf-tiny/ad01_toycar.onnx': {},
  'squeezenet/SqueezeNet_fp16.onnx': {},
  'ultraface/version-RFB-320.onnx': {},
  'silero-vad/silero_vad.onnx': {
    sizes: { 'input.1': 512 },
    ranges: { sr: { min: 16_000, max: 16_000 } },
  },
  [`${WAKE}/melspectrogram.onnx`]: { sizes: { 'input.1': 1280 } },
  [`${WAKE}/embedding_model.onnx`]: { sizes: { 'input_1.1': 76 } },
  [`${WAKE}/alexa_v0.1.onnx`]: {},
  [`${WAKE}/hey_jarvis_v0.1.onnx`]: {},
  [`${WAKE}/hey_marvin_v0.1.onnx`]: {},
  [`${WAKE}/hey_mycroft_v0.1.onnx`]: {},
  'dtln/model_1.onnx': {},
  'dtln/model_2.onnx': {},
  'tiny-random-gpt2/past.onnx': {
    sizes: { total_sequence: 2 },
    ranges: { input_ids: { min: 0, max: 900 }, attention_mask: { min: 1, max: 1 } },
  },
};

/** The real models of a data folder, the community's wake words among them. */
export function realModels(data: string): readonly RealModel[] {
  const models = join(data, 'models');
  const community = readdirSync(join(models, WAKE, 'community'))
    .filter((name) => name.endsWith('.onnx'))
    .map((name) => `${WAKE}/community/${name}`);
  return [...Object.entries(INPUTS), ...community.map((name) => [name, {}] as const)].map(
    ([name, inputs]) => ({ name, inputs, file: join(models, name) }),
  );
}
