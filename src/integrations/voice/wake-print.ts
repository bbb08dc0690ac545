import { createMelSpectrogram } from '../../signal/mel-spectrogram.ts';
import { SAMPLE_RATE_HZ, samplesOf } from './sound-ring.ts';

/** Sound that a print is made of, up to the wake: the longest usual wake word. */
const PRINT_MS = 1_200;
const BANDS = 20;
const HOP_SAMPLES = 320;
/** How far two wakings of one sound may be apart: the hop of a wake flow, and a chunk. */
const LAG_FRAMES_MAX = 12;

const mel = createMelSpectrogram({
  ...{ sampleRateHz: SAMPLE_RATE_HZ, frameSamples: 480, hopSamples: HOP_SAMPLES, fftSize: 512 },
  ...{ bands: BANDS, lowHz: 100, highHz: 6000, scale: 'htk', slope: 'hertz', norm: 'none' },
  ...{ window: 'hann', symmetry: 'periodic', framing: 'frame', centre: false },
  ...{ removeOffset: false, preEmphasis: 0, power: 1, log: 'natural' },
  ...{ logOffset: 1e-4, logFloor: 1e-12, topDb: Infinity },
});
const PRINT = samplesOf(PRINT_MS);
const FRAMES = mel.frameCount(PRINT);
/** Steps of a print in one step of the natural logarithm: an Int8Array holds ±8, speech over its floor. */
const SCALE = 16;

/** The shape of a sound in time and pitch without its loudness and colour: [frames, bands]. */
export type WakePrint = Int8Array;

/** The print of the last 1.2 s of sound; what is shorter counts as silence before it. */
export function wakePrint(sound: Int16Array): WakePrint {
  const clip = new Float32Array(PRINT);
  const last = sound.subarray(Math.max(0, sound.length - PRINT));
  for (const [at, sample] of last.entries()) clip[PRINT - last.length + at] = sample / 32_768;
  const bands = new Float64Array(FRAMES * BANDS);
  mel.compute(clip, bands);
  const print = new Int8Array(bands.length);
  for (let band = 0; band < BANDS; band++) {
    let mean = 0;
    for (let at = band; at < bands.length; at += BANDS) mean += bands[at]! / FRAMES;
    for (let at = band; at < bands.length; at += BANDS) {
      print[at] = Math.max(-127, Math.min(127, Math.round((bands[at]! - mean) * SCALE)));
    }
  }
  return print;
}

/** How alike two prints are, -1 to 1: their correlation where they lie best upon each other. */
export function likeness(a: WakePrint, b: WakePrint): number {
  let best = -1;
  for (let lag = -LAG_FRAMES_MAX; lag <= LAG_FRAMES_MAX; lag++) {
    const shift = Math.abs(lag) * BANDS;
    const one = lag < 0 ? a.subarray(shift) : a.subarray(0, a.length - shift);
    const other = lag < 0 ? b.subarray(0, b.length - shift) : b.subarray(shift);
    best = Math.max(best, correlation(one, other));
  }
  return best;
}

function correlation(a: WakePrint, b: WakePrint): number {
  let product = 0;
  let powerA = 0;
  let powerB = 0;
  for (let at = 0; at < a.length; at++) {
    product += a[at]! * b[at]!;
    powerA += a[at]! ** 2;
    powerB += b[at]! ** 2;
  }
  return powerA === 0 || powerB === 0 ? 0 : product / Math.sqrt(powerA * powerB);
}
