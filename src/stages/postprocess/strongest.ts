import { defineStage, emit, FieldError } from '../../flow/stage.ts';
import { formatType } from '../../flow/value.ts';
import { LedgeError } from '../../std/error.ts';
import { z } from '../../std/schema.ts';
import { float32, formatShape, type Tensor } from '../../tensor/tensor.ts';
import { labelsFor, oneTensor, oneTensorType } from './one-tensor.ts';
import { finite, float32Of } from './scores.ts';

const schema = z.strictObject({
  rows: z.int().min(1).max(1000).default(1).describe('How many of the surest rows are averaged.'),
  ignore: z
    .array(z.string())
    .default([])
    .describe(
      'Labels by which a row is not sure of anything, as `_silence_`; their scores stay in the mean.',
    ),
});

/**
 * Of many rows of scores, [rows, n], the mean of the surest as [n]: those in which one label that
 * counts has the highest score. Fails with shape-mismatch where there is no row.
 */
export const strongest = defineStage({
  kind: 'strongest',
  phase: 'postprocess',
  summary: 'Makes one row of scores out of many windows of a clip: the mean of the surest.',
  schema,
  create({ rows, ignore }, { input }) {
    const type = oneTensorType(input);
    const width = type.shape[1];
    if (type.shape.length !== 2 || width === undefined || width < 1) {
      throw new FieldError('', formatType(type), 'rows of scores, [rows, n]');
    }
    const labels = labelsFor(type, undefined);
    const counted = countedColumns({ width, labels, ignore });
    return {
      output: { kind: 'tensor', type: 'float32', shape: [width], ...(labels && { labels }) },
      scope: 'shared',
      open: () => ({
        run: (value) => emit(float32([width], meanOfSurest(oneTensor(value), counted, rows))),
      }),
    };
  },
});

/** The columns by which a row is sure. Throws FieldError for a label that there is not. */
function countedColumns({
  width,
  labels,
  ignore,
}: {
  readonly width: number;
  readonly labels: readonly string[] | undefined;
  readonly ignore: readonly string[];
}): readonly number[] {
  for (const label of ignore) {
    if (labels?.includes(label)) continue;
    throw new FieldError('ignore', label, `one of ${labels?.join(', ') ?? 'no labels'}`);
  }
  const counted = Array.from({ length: width }, (_, column) => column).filter(
    (column) => !ignore.includes(labels?.[column] ?? ''),
  );
  if (counted.length === 0) throw new FieldError('ignore', ignore, 'not every label');
  return counted;
}

function meanOfSurest(tensor: Tensor, counted: readonly number[], most: number): Float32Array {
  const [rows = 0, width = 0] = tensor.shape;
  if (rows === 0) {
    const state = `they are ${formatShape(tensor.shape)}`;
    throw new LedgeError('shape-mismatch', `Cannot choose among rows of scores: ${state}`);
  }
  const scores = float32Of(tensor);
  const sureness = Array.from({ length: rows }, (_, row) =>
    counted.reduce(
      (best, column) => Math.max(best, finite(scores[row * width + column]!, `row ${row}`)),
      Number.NEGATIVE_INFINITY,
    ),
  );
  const surest = Array.from(sureness.keys())
    .sort((a, b) => sureness[b]! - sureness[a]!)
    .slice(0, most);
  const mean = new Float32Array(width);
  for (const row of surest) {
    for (let column = 0; column < width; column += 1) {
      mean[column]! += scores[row * width + column]! / surest.length;
    }
  }
  return mean;
}
