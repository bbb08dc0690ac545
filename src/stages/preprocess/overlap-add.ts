import { defineStage, emit, FieldError } from '../../flow/stage.ts';
import { z } from '../../std/schema.ts';
import { FREE, float32 } from '../../tensor/tensor.ts';
import { floatsOf, requireTensor, tensorOfValue } from './tensor-input.ts';

const schema = z.strictObject({
  hop: z.int().min(1).describe('Samples from one block to the next, at most the block.'),
  sampleRateHz: z
    .number()
    .positive()
    .optional()
    .describe('The rate of the signal, for later stages; a spectrum does not carry it.'),
});

/** Overlapping blocks [size] of one device as a signal: every block completes `hop` samples. */
export const overlapAdd = defineStage<z.infer<typeof schema>>({
  kind: 'overlap-add',
  phase: 'preprocess',
  summary: 'Adds the overlapping blocks of a device up to one signal.',
  schema,
  create({ hop, sampleRateHz }, context) {
    const input = requireTensor(context, { type: 'float32', rank: 1 });
    const size = input.shape[0]!;
    if (size === FREE) throw new FieldError('', input.shape, 'blocks of one size');
    if (hop > size) throw new FieldError('hop', hop, `at most the block of ${size}`);
    return {
      output: {
        kind: 'tensor',
        type: 'float32',
        shape: [hop],
        ...(sampleRateHz === undefined ? {} : { sampleRateHz }),
      },
      scope: 'device',
      open() {
        const sum = new Float32Array(size);
        return {
          run(value) {
            const block = floatsOf(tensorOfValue(value));
            for (let index = 0; index < size; index++) sum[index] = sum[index]! + block[index]!;
            const done = sum.slice(0, hop);
            sum.copyWithin(0, hop);
            sum.fill(0, size - hop);
            return emit(float32([hop], done));
          },
        };
      },
    };
  },
});
