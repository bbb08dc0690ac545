import { defineStage, emit, FieldError } from '../../flow/stage.ts';
import { createRealFft, FFT_SIZE_MAX, nextPowerOfTwo } from '../../signal/fft.ts';
import { windowWeights } from '../../signal/window-function.ts';
import { z } from '../../std/schema.ts';
import { float32 } from '../../tensor/tensor.ts';
import { floatsOf, requireTensor, tensorOfValue } from './tensor-input.ts';

const schema = z.strictObject({
  window: z
    .enum(['rectangular', 'hann', 'hamming'])
    .default('rectangular')
    .describe('What the samples are weighted with first; periodic.'),
});

/** The spectrum of real blocks along the last axis: [..., n] to [..., n / 2 + 1, 2], re and im. */
export const fft = defineStage<z.infer<typeof schema>>({
  kind: 'fft',
  phase: 'preprocess',
  summary: 'Turns blocks of samples into their complex spectrum, real and imaginary part.',
  schema,
  create({ window }, context) {
    const input = requireTensor(context, { type: 'float32' });
    const size = input.shape.at(-1) ?? 0;
    if (size < 4 || size > FFT_SIZE_MAX || nextPowerOfTwo(size) !== size) {
      throw new FieldError('', input.shape, `a power of two from 4 to ${FFT_SIZE_MAX} at the end`);
    }
    const outer = input.shape.slice(0, -1);
    const weights = windowWeights(window, size);
    return {
      output: { kind: 'tensor', type: 'float32', shape: [...outer, size / 2 + 1, 2] },
      scope: 'shared',
      open() {
        const transform = createRealFft(size);
        const { bins } = transform;
        const block = new Float64Array(size);
        const re = new Float64Array(bins);
        const im = new Float64Array(bins);
        return {
          run(value) {
            const tensor = tensorOfValue(value);
            const data = floatsOf(tensor);
            const blocks = data.length / size;
            const out = new Float32Array(blocks * bins * 2);
            for (let index = 0; index < blocks; index++) {
              for (let at = 0; at < size; at++) block[at] = data[index * size + at]! * weights[at]!;
              transform.forward(block, re, im);
              for (let bin = 0, at = index * bins * 2; bin < bins; bin++, at += 2) {
                out[at] = re[bin]!;
                out[at + 1] = im[bin]!;
              }
            }
            return emit(float32([...tensor.shape.slice(0, -1), bins, 2], out));
          },
        };
      },
    };
  },
});
