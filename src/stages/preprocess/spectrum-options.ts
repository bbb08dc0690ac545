import { FieldError, type StageContext } from '../../flow/stage.ts';
import type { TensorType, Value } from '../../flow/value.ts';
import { CONVENTIONS } from '../../signal/convention.ts';
import { FFT_SIZE_MAX, nextPowerOfTwo } from '../../signal/fft.ts';
import type { MelSpectrogram, MelSpectrogramOptions } from '../../signal/mel-spectrogram.ts';
import { LedgeError } from '../../std/error.ts';
import { z } from '../../std/schema.ts';
import { FREE } from '../../tensor/tensor.ts';
import { requireTensor } from './tensor-input.ts';

/** Speech's usual frame and step, seconds. */
const FRAME_SECONDS = 0.025;
const HOP_SECONDS = 0.01;
/** Longest spectrogram of one event: 64 MB as float32. */
const ELEMENTS_MAX = 16 * 1024 * 1024;

/** What mel-spectrogram and mfcc share. */
export const spectrumSchema = z.strictObject({
  convention: z
    .enum(['tensorflow', 'librosa', 'kaldi'])
    .default('tensorflow')
    .describe('Whose definitions are followed: those that the model was trained with.'),
  normalise: z
    .enum(['none', 'peak'])
    .default('none')
    .describe('`peak`: the samples of a clip are divided by the largest of them.'),
  frameSamples: z.int().min(4).max(FFT_SIZE_MAX).optional().describe('Default: 25 ms.'),
  hopSamples: z.int().min(1).max(FFT_SIZE_MAX).optional().describe('Default: 10 ms.'),
  fftSize: z
    .int()
    .min(4)
    .max(FFT_SIZE_MAX)
    .optional()
    .describe('A power of two. Default: the next one from frameSamples on.'),
  melBands: z.int().min(1).max(512).default(40).describe('How many mel bands.'),
  lowHz: z.number().min(0).default(20).describe('Lower edge of the first band.'),
  highHz: z
    .number()
    .positive()
    .optional()
    .describe('Upper edge of the last band. Default: half the sample rate.'),
  window: z
    .enum(['hann', 'hamming', 'povey', 'rectangular'])
    .optional()
    .describe('Default: povey for kaldi, else hann.'),
  centre: z
    .boolean()
    .optional()
    .describe('Whether frames have their middle at a multiple of the hop. Default: librosa only.'),
  power: z
    .union([z.literal(1), z.literal(2)])
    .optional()
    .describe('1: magnitudes, 2: powers. Default: 1 for tensorflow, else 2.'),
  log: z
    .enum(['none', 'natural', 'log10', 'db'])
    .optional()
    .describe('The logarithm of the bands. Default: db for librosa, else natural.'),
  logOffset: z
    .number()
    .min(0)
    .optional()
    .describe('Added to a band before the logarithm. Default: 1e-6 for tensorflow, else 0.'),
  logFloor: z
    .number()
    .min(0)
    .optional()
    .describe('Least value that the logarithm is taken of. Default: 1e-10 librosa, 1.19e-7 kaldi.'),
  topDb: z
    .number()
    .positive()
    .optional()
    .describe('Range below the loudest band of a clip that is kept. Default: 80 for librosa.'),
  preEmphasis: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe('Factor of the first difference of the samples. Default: 0.97 for kaldi, else 0.'),
});

export type SpectrumConfig = z.infer<typeof spectrumSchema>;

/** A signal's type with its rate. Throws FieldError where the input is none. */
export function requireSignal(context: StageContext): TensorType & { sampleRateHz: number } {
  const input = requireTensor(context, { type: 'float32', rank: 1 });
  const { sampleRateHz } = input;
  if (sampleRateHz === undefined) {
    throw new FieldError('', 'a tensor without a sample rate', 'a signal with its sampleRateHz');
  }
  return { ...input, sampleRateHz };
}

/** The whole of the options, for a signal of this rate. Throws FieldError. */
export function spectrumOptions(
  config: SpectrumConfig,
  sampleRateHz: number,
): MelSpectrogramOptions {
  const base = CONVENTIONS[config.convention];
  const frameSamples = config.frameSamples ?? Math.round(FRAME_SECONDS * sampleRateHz);
  const fftSize = config.fftSize ?? nextPowerOfTwo(frameSamples);
  const highHz = config.highHz ?? sampleRateHz / 2;
  if (nextPowerOfTwo(fftSize) !== fftSize || fftSize < frameSamples) {
    throw new FieldError('fftSize', fftSize, `a power of two from ${frameSamples} on`);
  }
  if (highHz > sampleRateHz / 2) {
    throw new FieldError('highHz', highHz, `at most half the sample rate, ${sampleRateHz / 2}`);
  }
  if (config.lowHz >= highHz) throw new FieldError('lowHz', config.lowHz, `below ${highHz}`);
  return {
    ...base,
    sampleRateHz,
    frameSamples,
    hopSamples: config.hopSamples ?? Math.round(HOP_SECONDS * sampleRateHz),
    fftSize,
    bands: config.melBands,
    lowHz: config.lowHz,
    highHz,
    window: config.window ?? base.window,
    centre: config.centre ?? base.centre,
    power: config.power ?? base.power,
    log: config.log ?? base.log,
    logOffset: config.logOffset ?? base.logOffset,
    logFloor: config.logFloor ?? base.logFloor,
    topDb: config.topDb ?? base.topDb,
    preEmphasis: config.preEmphasis ?? base.preEmphasis,
  };
}

/** Frames of a clip whose length may be FREE. Throws FieldError where it is shorter than one. */
export function declaredFrames(spectrogram: MelSpectrogram, samples: number): number {
  if (samples === FREE) return FREE;
  const frames = spectrogram.frameCount(samples);
  if (frames === 0) throw new FieldError('frameSamples', samples, 'a clip of at least one frame');
  return frames;
}

/** A function that gives the mel bands of a clip, [frames, bands], in one buffer for all. */
export function createClipSpectrum(
  spectrogram: MelSpectrogram,
  normalise: SpectrumConfig['normalise'],
): (value: Value) => { readonly frames: number; readonly bands: Float64Array } {
  let bands = new Float64Array(0);
  return (value) => {
    const clip = clipOf(value);
    const frames = spectrogram.frameCount(clip.length);
    const count = frames * spectrogram.bands;
    if (frames === 0 || count > ELEMENTS_MAX) {
      throw new LedgeError(
        'shape-mismatch',
        `Cannot take the spectrum: a clip of ${clip.length} samples has ${frames} frames, ` +
          `expected 1 to ${Math.floor(ELEMENTS_MAX / spectrogram.bands)}`,
        { context: { samples: clip.length } },
      );
    }
    if (bands.length < count) bands = new Float64Array(count);
    spectrogram.compute(clip, bands, normalise === 'peak' ? peakGain(clip) : 1);
    return { frames, bands };
  };
}

function clipOf(value: Value): Float32Array {
  if (value.kind === 'tensor' && value.data instanceof Float32Array) return value.data;
  throw new TypeError(`a spectrum was asked of a ${value.kind}`);
}

/** One over the largest sample; silence, and a clip that never rises above 0, stay as they are. */
function peakGain(clip: Float32Array): number {
  let largest = 0;
  for (let index = 0; index < clip.length; index++) {
    if (clip[index]! > largest) largest = clip[index]!;
  }
  return largest > 0 ? 1 / largest : 1;
}
