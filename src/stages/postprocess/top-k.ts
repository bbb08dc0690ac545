import { defineStage, emit, FieldError } from '../../flow/stage.ts';
import { formatType, type TensorType } from '../../flow/value.ts';
import { LedgeError } from '../../std/error.ts';
import { z } from '../../std/schema.ts';
import { formatShape, type Tensor } from '../../tensor/tensor.ts';
import { labelsFor, oneTensor, oneTensorType } from './one-tensor.ts';
import { finite, float32Of, roundScore } from './scores.ts';

/** Labels told of one event: a list that people read. */
const TOP_MAX = 100;

const schema = z.strictObject({
  k: z.int().min(1).max(TOP_MAX).default(5).describe('How many of the best labels are told.'),
  labels: z
    .array(z.string())
    .min(1)
    .optional()
    .describe("Names of the scores in order; default the model's own, else their numbers."),
});

interface Ranked {
  readonly label: string;
  readonly score: number;
}

/** The best labels of a row of scores as a classification. */
export const topK = defineStage({
  kind: 'top-k',
  phase: 'postprocess',
  summary: 'Tells the labels with the highest scores: {label, score, top}.',
  schema,
  create({ k, labels: configured }, { input }) {
    const type = oneTensorType(input);
    checkOneRow(type);
    const labels = labelsFor(type, configured);
    return {
      output: { kind: 'result', of: 'classification', ...(labels && { labels }) },
      scope: 'shared',
      open: () => ({
        run(value) {
          const scores = rowOf(oneTensor(value), labels);
          const top = rank(scores, Math.min(k, scores.length)).map((index): Ranked => {
            const label = labels?.[index] ?? String(index);
            return { label, score: roundScore(finite(scores[index]!, `the score of "${label}"`)) };
          });
          const [best] = top;
          if (best === undefined) throw new LedgeError('shape-mismatch', 'Cannot rank no scores');
          return emit({
            kind: 'result',
            result: { label: best.label, score: best.score, top },
          });
        },
      }),
    };
  },
});

function checkOneRow(type: TensorType): void {
  const rows = type.shape.slice(0, -1);
  if (type.shape.length === 0 || rows.some((size) => size > 1)) {
    throw new FieldError('', formatType(type), 'one row of scores, [n] or [1, n]');
  }
}

function rowOf(tensor: Tensor, labels: readonly string[] | undefined): Float32Array {
  const count = tensor.shape.at(-1) ?? 0;
  if (count !== tensor.data.length || (labels !== undefined && labels.length !== count)) {
    const expected = labels === undefined ? 'one row of scores' : `${labels.length} labels`;
    throw new LedgeError(
      'shape-mismatch',
      `Cannot rank scores: they are ${formatShape(tensor.shape)} for ${expected}`,
    );
  }
  return float32Of(tensor);
}

/** The places of the `k` largest numbers, the largest first, equal ones in order; NaN counts most. */
function rank(scores: Float32Array, k: number): readonly number[] {
  const best: number[] = [];
  for (let index = 0; index < scores.length; index += 1) {
    const score = scores[index]!;
    if (best.length === k && score <= scores[best[k - 1]!]!) continue;
    let place = best.length;
    while (place > 0 && !(score <= scores[best[place - 1]!]!)) place -= 1;
    best.splice(place, 0, index);
    if (best.length > k) best.pop();
  }
  return best;
}
