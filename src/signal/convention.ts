import type { DctNorm } from './dct.ts';
import type { MelSpectrogramOptions } from './mel-spectrogram.ts';

/** Whose definitions a front end follows: a model only understands those it was trained with. */
export type Convention = 'tensorflow' | 'librosa' | 'kaldi';

/** What a convention decides; sizes and limits in hertz belong to the model. */
export type ConventionDefaults = Omit<
  MelSpectrogramOptions,
  'sampleRateHz' | 'frameSamples' | 'hopSamples' | 'fftSize' | 'bands' | 'lowHz' | 'highHz'
> & { readonly dct: DctNorm; readonly lifter: number };

/** Kaldi's least energy: the step of float32 at 1. */
const KALDI_FLOOR = 1.1920928955078125e-7;

/**
 * tensorflow: tf.signal.stft, linear_to_mel_weight_matrix, mfccs_from_log_mel_spectrograms.
 * librosa: feature.melspectrogram, power_to_db, feature.mfcc (0.10 and later: silence as padding).
 * kaldi: compute-fbank-feats, compute-mfcc-feats without dither and energy, snip-edges.
 */
export const CONVENTIONS: Readonly<Record<Convention, ConventionDefaults>> = {
  tensorflow: {
    scale: 'htk',
    slope: 'mel',
    norm: 'none',
    window: 'hann',
    symmetry: 'periodic',
    framing: 'frame',
    centre: false,
    removeOffset: false,
    preEmphasis: 0,
    power: 1,
    log: 'natural',
    logOffset: 1e-6,
    logFloor: 0,
    topDb: Infinity,
    dct: 'tensorflow',
    lifter: 0,
  },
  librosa: {
    scale: 'slaney',
    slope: 'hertz',
    norm: 'slaney',
    window: 'hann',
    symmetry: 'periodic',
    framing: 'fft',
    centre: true,
    removeOffset: false,
    preEmphasis: 0,
    power: 2,
    log: 'db',
    logOffset: 0,
    logFloor: 1e-10,
    topDb: 80,
    dct: 'ortho',
    lifter: 0,
  },
  kaldi: {
    scale: 'htk',
    slope: 'mel',
    norm: 'none',
    window: 'povey',
    symmetry: 'symmetric',
    framing: 'frame',
    centre: false,
    removeOffset: true,
    preEmphasis: 0.97,
    power: 2,
    log: 'natural',
    logOffset: 0,
    logFloor: KALDI_FLOOR,
    topDb: Infinity,
    dct: 'ortho',
    lifter: 22,
  },
};
