import { defineStage, emit, FieldError } from '../../flow/stage.ts';
import { createRealFft, FFT_SIZE_MAX, nextPowerOfTwo } from '../../signal/fft.ts';
import { z } from '../../std/schema.ts';
import { float32 } from '../../tensor/tensor.ts';
import { floatsOf, requireTensor, tensorOfValue } from './tensor-input.ts';

const schema = z.strictObject({});

/** Real blocks from their spectrum: [..., n / 2 + 1, 2] to [..., n]; undoes the stage `fft`. */
export const inverseFft = defineStage<z.infer<typeof schema>>({
  kind: 'inverse-fft',
  phase: 'preprocess',
  summary: 'Turns complex spectra back into blocks of samples.',
  schema,
  create(_config, context) {
    const input = requireTensor(context, { type: 'float32' });
    const bins = input.shape.at(-2) ?? 0;
    const size = (bins - 1) * 2;
    const fits = input.shape.at(-1) === 2 && size >= 4 && size <= FFT_SIZE_MAX;
    if (!fits || nextPowerOfTwo(size) !== size) {
      throw new FieldError('', input.shape, 'a spectrum [..., n / 2 + 1, 2], n a power of two');
    }
    return {
      output: { kind: 'tensor', type: 'float32', shape: [...input.shape.slice(0, -2), size] },
      scope: 'shared',
      open() {
        const transform = createRealFft(size);
        const re = new Float64Array(bins);
        const im = new Float64Array(bins);
        const block = new Float64Array(size);
        return {
          run(value) {
            const tensor = tensorOfValue(value);
            const data = floatsOf(tensor);
            const blocks = data.length / (bins * 2);
            const out = new Float32Array(blocks * size);
            for (let index = 0; index < blocks; index++) {
              for (let bin = 0, at = index * bins * 2; bin < bins; bin++, at += 2) {
                re[bin] = data[at]!;
                im[bin] = data[at + 1]!;
              }
              transform.inverse(re, im, block);
              out.set(block, index * size);
            }
            return emit(float32([...tensor.shape.slice(0, -2), size], out));
          },
        };
      },
    };
  },
});
