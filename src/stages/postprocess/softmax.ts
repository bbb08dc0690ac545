import { defineStage, emit } from '../../flow/stage.ts';
import { z } from '../../std/schema.ts';
import { float32 } from '../../tensor/tensor.ts';
import { oneTensor, oneTensorType } from './one-tensor.ts';
import { float32Of } from './scores.ts';

const schema = z.strictObject({
  temperature: z
    .number()
    .positive()
    .default(1)
    .describe('Divides the numbers first; over 1 makes the scores less sure.'),
});

/** Numbers along the last axis as scores that add up to 1. */
export const softmax = defineStage({
  kind: 'softmax',
  phase: 'postprocess',
  summary: 'Turns numbers along the last axis into scores from 0 to 1 that add up to 1.',
  schema,
  create({ temperature }, { input }) {
    const type = oneTensorType(input);
    return {
      output: { ...type, type: 'float32' },
      scope: 'shared',
      open: () => ({
        run(value) {
          const tensor = oneTensor(value);
          const rows = softmaxRows(float32Of(tensor), tensor.shape.at(-1) ?? 1, temperature);
          return emit(float32(tensor.shape, rows));
        },
      }),
    };
  },
});

/** Softmax of each row of `size` numbers, the row's largest taken off first so that none overflows. */
export function softmaxRows(logits: Float32Array, size: number, temperature: number): Float32Array {
  const scores = new Float32Array(logits.length);
  for (let start = 0; start < logits.length; start += size) {
    let largest = Number.NEGATIVE_INFINITY;
    for (let at = start; at < start + size; at += 1) largest = Math.max(largest, logits[at]!);
    let sum = 0;
    for (let at = start; at < start + size; at += 1) {
      const score = Math.exp((logits[at]! - largest) / temperature);
      scores[at] = score;
      sum += score;
    }
    for (let at = start; at < start + size; at += 1) scores[at] = scores[at]! / sum;
  }
  return scores;
}
