import type { Stage } from '../flow/stage.ts';
import { audio } from './decode/audio.ts';
import { float32 } from './decode/float32.ts';
import { image } from './decode/image.ts';
import { json } from './decode/json.ts';
import { msgpack } from './decode/msgpack.ts';
import { pcm16 } from './decode/pcm16.ts';
import { senml } from './decode/senml.ts';
import { sensor } from './decode/sensor.ts';
import { text } from './decode/text.ts';
import { wav } from './decode/wav.ts';
import { anomalyScore } from './postprocess/anomaly-score.ts';
import { boxes } from './postprocess/boxes.ts';
import { debounce } from './postprocess/debounce.ts';
import { map } from './postprocess/map.ts';
import { maskToRegions } from './postprocess/mask-to-regions.ts';
import { merge } from './postprocess/merge.ts';
import { nonMaxSuppression } from './postprocess/non-max-suppression.ts';
import { pick } from './postprocess/pick.ts';
import { sigmoid } from './postprocess/sigmoid.ts';
import { smooth } from './postprocess/smooth.ts';
import { softmax } from './postprocess/softmax.ts';
import { strongest } from './postprocess/strongest.ts';
import { threshold } from './postprocess/threshold.ts';
import { topK } from './postprocess/top-k.ts';
import { baseline } from './preprocess/baseline.ts';
import { cast } from './preprocess/cast.ts';
import { combine } from './preprocess/combine.ts';
import { fft } from './preprocess/fft.ts';
import { highPass } from './preprocess/high-pass.ts';
import { inverseFft } from './preprocess/inverse-fft.ts';
import { layout } from './preprocess/layout.ts';
import { magnitude } from './preprocess/magnitude.ts';
import { melSpectrogram } from './preprocess/mel-spectrogram.ts';
import { mfcc } from './preprocess/mfcc.ts';
import { normalise } from './preprocess/normalise.ts';
import { novelty } from './preprocess/novelty.ts';
import { overlapAdd } from './preprocess/overlap-add.ts';
import { resample } from './preprocess/resample.ts';
import { reshape } from './preprocess/reshape.ts';
import { resize } from './preprocess/resize.ts';
import { scale } from './preprocess/scale.ts';
import { select } from './preprocess/select.ts';
import { stack } from './preprocess/stack.ts';
import { trim } from './preprocess/trim.ts';
import { window } from './preprocess/window.ts';
import { zScore } from './preprocess/z-score.ts';
import { encode } from './publish/encode.ts';
import { rateLimit } from './publish/rate-limit.ts';
import { route } from './publish/route.ts';

const DECODE = [audio, float32, image, json, msgpack, pcm16, senml, sensor, text, wav];

const PREPROCESS = [
  baseline,
  cast,
  combine,
  fft,
  highPass,
  inverseFft,
  layout,
  magnitude,
  melSpectrogram,
  mfcc,
  normalise,
  novelty,
  overlapAdd,
  resample,
  reshape,
  resize,
  scale,
  select,
  stack,
  trim,
  window,
  zScore,
];

const POSTPROCESS = [
  anomalyScore,
  boxes,
  debounce,
  map,
  maskToRegions,
  merge,
  nonMaxSuppression,
  pick,
  sigmoid,
  smooth,
  softmax,
  strongest,
  threshold,
  topK,
];

const PUBLISH = [encode, rateLimit, route];

/** Every kind of step, by the name it has in a flow file; `predict` comes with the models it runs. */
export function createStages({ predict }: { readonly predict: Stage }): ReadonlyMap<string, Stage> {
  const stages = [...DECODE, ...PREPROCESS, predict, ...POSTPROCESS, ...PUBLISH];
  return new Map(stages.map((stage) => [stage.kind, stage]));
}
