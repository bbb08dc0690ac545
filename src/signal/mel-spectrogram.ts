import { createRealFft } from './fft.ts';
import { preEmphasise, removeOffset } from './filters.ts';
import { applyMelBank, createMelBank, type MelNorm, type MelScale, type MelSlope } from './mel.ts';
import { type WindowFunction, type WindowSymmetry, windowWeights } from './window-function.ts';

/** `db`: decibels, 10 log10 of a power or 20 log10 of a magnitude. */
export type LogKind = 'none' | 'natural' | 'log10' | 'db';

export interface MelSpectrogramOptions {
  readonly sampleRateHz: number;
  readonly frameSamples: number;
  readonly hopSamples: number;
  /** A power of two, not below frameSamples. */
  readonly fftSize: number;
  readonly bands: number;
  readonly lowHz: number;
  readonly highHz: number;
  readonly scale: MelScale;
  readonly slope: MelSlope;
  readonly norm: MelNorm;
  readonly window: WindowFunction;
  readonly symmetry: WindowSymmetry;
  /** `frame`: a frame is padded at its end; `fft`: the window lies in the middle of the FFT. */
  readonly framing: 'frame' | 'fft';
  /** Whether frame t has its middle at sample t * hop, with silence around the clip. */
  readonly centre: boolean;
  /** Takes the frame's mean away first. */
  readonly removeOffset: boolean;
  /** 0: none. */
  readonly preEmphasis: number;
  /** 1: magnitudes, 2: powers. */
  readonly power: 1 | 2;
  readonly log: LogKind;
  /** Added before the logarithm. */
  readonly logOffset: number;
  /** The least that the logarithm is taken of. */
  readonly logFloor: number;
  /** Decibels under the loudest value of a clip at which all others end; Infinity for none. */
  readonly topDb: number;
}

/** The mel bands of one clip after the other; its buffers serve one call at a time. */
export interface MelSpectrogram {
  readonly bands: number;
  /** How many frames a clip of so many samples has; 0 where it is shorter than one. */
  frameCount(samples: number): number;
  /** The clip's frames, written to `out` as [frames, bands]; every sample is times `gain`. */
  compute(clip: Float32Array, out: Float64Array, gain?: number): void;
}

/** Tables and buffers for one kind of mel spectrogram. Throws RangeError for impossible options. */
export function createMelSpectrogram(options: MelSpectrogramOptions): MelSpectrogram {
  const { frameSamples, hopSamples, fftSize, bands, framing } = options;
  const fft = createRealFft(fftSize);
  const bank = createMelBank(options);
  const weights = windowWeights(options.window, frameSamples, options.symmetry);
  const span = framing === 'fft' ? fftSize : frameSamples;
  const inset = Math.floor((span - frameSamples) / 2);
  const padding = options.centre ? Math.floor(fftSize / 2) : 0;
  const frame = new Float64Array(fftSize);
  const re = new Float64Array(fft.bins);
  const im = new Float64Array(fft.bins);
  const first = Math.min(...bank.starts);
  const end = Math.max(...bank.weights.map((row, band) => bank.starts[band]! + row.length));

  const plain = !options.removeOffset && options.preEmphasis === 0;

  const fill = (clip: Float32Array, start: number, gain: number): void => {
    // Samples outside the clip are silence; behind the frame the block stays 0 as it was made.
    const first = Math.max(0, -start);
    const end = Math.max(first, Math.min(frameSamples, clip.length - start));
    if (first > 0) frame.fill(0, 0, first);
    if (end < frameSamples) frame.fill(0, end, frameSamples);
    if (plain) {
      for (let index = first; index < end; index++) {
        frame[index] = clip[start + index]! * gain * weights[index]!;
      }
      return;
    }
    for (let index = first; index < end; index++) frame[index] = clip[start + index]! * gain;
    if (options.removeOffset) removeOffset(frame, frameSamples);
    if (options.preEmphasis !== 0) preEmphasise(frame, frameSamples, options.preEmphasis);
    for (let index = 0; index < frameSamples; index++) {
      frame[index] = frame[index]! * weights[index]!;
    }
  };

  const frameCount = (samples: number): number =>
    Math.max(0, 1 + Math.floor((samples + 2 * padding - span) / hopSamples));

  return {
    bands,
    frameCount,
    compute(clip, out, gain = 1) {
      const frames = frameCount(clip.length);
      for (let index = 0; index < frames; index++) {
        // Where the window lies within the FFT turns only the phase, which nobody reads.
        fill(clip, index * hopSamples - padding + inset, gain);
        fft.forward(frame, re, im);
        energies(re, im, { power: options.power, first, end });
        applyMelBank(bank, re, out, index * bands);
      }
      takeLog(out, frames * bands, options);
    },
  };
}

interface BinRange {
  readonly power: 1 | 2;
  readonly first: number;
  readonly end: number;
}

/** Magnitudes or powers of the bins that some band reads, in place of their real part. */
function energies(re: Float64Array, im: Float64Array, { power, first, end }: BinRange): void {
  for (let bin = first; bin < end; bin++) {
    const squared = re[bin]! * re[bin]! + im[bin]! * im[bin]!;
    re[bin] = power === 2 ? squared : Math.sqrt(squared);
  }
}

function takeLog(values: Float64Array, count: number, options: MelSpectrogramOptions): void {
  const { log, logOffset, logFloor, topDb, power } = options;
  if (log === 'none') return;
  const factor = { natural: 1, log10: Math.LOG10E, db: (20 / power) * Math.LOG10E }[log];
  let loudest = -Infinity;
  for (let index = 0; index < count; index++) {
    const value = factor * Math.log(Math.max(logFloor, values[index]! + logOffset));
    values[index] = value;
    if (value > loudest) loudest = value;
  }
  if (topDb === Infinity) return;
  for (let index = 0; index < count; index++) {
    values[index] = Math.max(values[index]!, loudest - topDb);
  }
}
