import { defineStage, emit } from '../../flow/stage.ts';
import { createMelSpectrogram } from '../../signal/mel-spectrogram.ts';
import { float32 } from '../../tensor/tensor.ts';
import {
  createClipSpectrum,
  declaredFrames,
  requireSignal,
  type SpectrumConfig,
  spectrumOptions,
  spectrumSchema,
} from './spectrum-options.ts';

/**
 * The mel bands of a clip, float32 [frames, melBands], time first.
 * Fails with shape-mismatch for a clip shorter than a frame.
 */
export const melSpectrogram = defineStage<SpectrumConfig>({
  kind: 'mel-spectrogram',
  phase: 'preprocess',
  summary: 'Turns a signal into mel bands over time, as TensorFlow, librosa or Kaldi define them.',
  schema: spectrumSchema,
  create(config, context) {
    const input = requireSignal(context);
    const options = spectrumOptions(config, input.sampleRateHz);
    const { bands } = options;
    return {
      output: {
        kind: 'tensor',
        type: 'float32',
        shape: [declaredFrames(createMelSpectrogram(options), input.shape[0]!), bands],
        sampleRateHz: input.sampleRateHz / options.hopSamples,
      },
      scope: 'shared',
      open() {
        const spectrum = createClipSpectrum(createMelSpectrogram(options), config.normalise);
        return {
          run(value) {
            const { frames, bands: values } = spectrum(value);
            return emit(
              float32([frames, bands], new Float32Array(values.subarray(0, frames * bands))),
            );
          },
        };
      },
    };
  },
});
