import { defineStage, emit } from '../../flow/stage.ts';
import { z } from '../../std/schema.ts';
import { float32 } from '../../tensor/tensor.ts';
import { oneTensor, oneTensorType } from './one-tensor.ts';
import { float32Of } from './scores.ts';

/** Each number on its own as a score from 0 to 1. */
export const sigmoid = defineStage({
  kind: 'sigmoid',
  phase: 'postprocess',
  summary: 'Turns each number on its own into a score from 0 to 1.',
  schema: z.strictObject({}),
  create(_config, { input }) {
    return {
      output: { ...oneTensorType(input), type: 'float32' },
      scope: 'shared',
      open: () => ({
        run(value) {
          const tensor = oneTensor(value);
          const scores = float32Of(tensor).map((number) => 1 / (1 + Math.exp(-number)));
          return emit(float32(tensor.shape, scores));
        },
      }),
    };
  },
});
