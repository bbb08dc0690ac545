import { defineStage, emit, FieldError } from '../../flow/stage.ts';
import { CONVENTIONS } from '../../signal/convention.ts';
import { dctMatrix, lifterWeights } from '../../signal/dct.ts';
import { createMelSpectrogram } from '../../signal/mel-spectrogram.ts';
import { z } from '../../std/schema.ts';
import { float32 } from '../../tensor/tensor.ts';
import {
  createClipSpectrum,
  declaredFrames,
  requireSignal,
  spectrumOptions,
  spectrumSchema,
} from './spectrum-options.ts';

const schema = spectrumSchema.extend({
  coefficients: z.int().min(1).max(512).default(13).describe('How many, from the first one on.'),
  lifter: z
    .number()
    .min(0)
    .optional()
    .describe('Liftering of the coefficients; 0 for none. Default: 22 for kaldi, else 0.'),
});

/**
 * Mel-frequency cepstral coefficients of a clip, float32 [frames, coefficients], time first.
 * Fails with shape-mismatch for a clip shorter than a frame.
 */
export const mfcc = defineStage<z.infer<typeof schema>>({
  kind: 'mfcc',
  phase: 'preprocess',
  summary:
    'Turns a signal into cepstral coefficients, as TensorFlow, librosa or Kaldi define them.',
  schema,
  create(config, context) {
    const input = requireSignal(context);
    const options = spectrumOptions(config, input.sampleRateHz);
    const { bands } = options;
    const { coefficients } = config;
    if (coefficients > bands) {
      throw new FieldError('coefficients', coefficients, `at most the ${bands} melBands`);
    }
    const { dct, lifter } = CONVENTIONS[config.convention];
    const matrix = dctMatrix(bands, coefficients, dct);
    const lift = lifterWeights(coefficients, config.lifter ?? lifter);
    return {
      output: {
        kind: 'tensor',
        type: 'float32',
        shape: [declaredFrames(createMelSpectrogram(options), input.shape[0]!), coefficients],
        sampleRateHz: input.sampleRateHz / options.hopSamples,
      },
      scope: 'shared',
      open() {
        const spectrum = createClipSpectrum(createMelSpectrogram(options), config.normalise);
        return {
          run(value) {
            const { frames, bands: mel } = spectrum(value);
            const out = new Float32Array(frames * coefficients);
            for (let frame = 0; frame < frames; frame++) {
              for (let row = 0; row < coefficients; row++) {
                let sum = 0;
                for (let band = 0; band < bands; band++) {
                  sum += matrix[row * bands + band]! * mel[frame * bands + band]!;
                }
                out[frame * coefficients + row] = sum * lift[row]!;
              }
            }
            return emit(float32([frames, coefficients], out));
          },
        };
      },
    };
  },
});
