import { z } from '../std/schema.ts';
import {
  decodeNumbers,
  encodeNumbers,
  labelName,
  numbers,
  parseWritten,
  sha256,
} from './lesson.ts';
import type { Moments } from './moments.ts';

/** Features of one event: the widest last layers of published image models have 2,048. */
const FEATURES_MAX = 4_096;

const backgroundSchema = z.strictObject({
  model: sha256,
  size: z.int().min(1).max(FEATURES_MAX),
  covariance: numbers.describe('The mean over labels, its lower triangle row by row.'),
  labels: z
    .array(
      z.strictObject({
        label: labelName,
        count: z.int().min(1),
        mean: numbers,
        spread: z.number().min(0).describe('Of this label against the mean covariance.'),
      }),
    )
    .min(1),
});

/**
 * What events of the known labels look like to one model: the moments of their features, with one form
 * of spread for all labels, wider or narrower for each. Some 10 kB where the moments of 12 labels with
 * 48 features are 150 kB, and as good.
 */
export type Background = z.output<typeof backgroundSchema>;

/** Parses a background's file. Throws `model-invalid`. */
export function parseBackground(text: string, file: string): Background {
  return parseWritten(backgroundSchema, text, file);
}

/** Puts the moments of one or more labels into a background. */
export function createBackground(model: string, groups: ReadonlyMap<string, Moments>): Background {
  const all = [...groups.values()];
  const size = all[0]?.mean.length ?? 0;
  const pooled = new Float64Array(size * size);
  for (const { covariance } of all) {
    for (let at = 0; at < pooled.length; at += 1) {
      pooled[at] = (pooled[at] ?? 0) + (covariance[at] ?? 0) / all.length;
    }
  }
  const usual = trace(pooled, size);
  return {
    model,
    size,
    covariance: encodeNumbers(pooled.filter((_, at) => at % size <= Math.floor(at / size))),
    labels: [...groups].map(([label, { count, mean, covariance }]) => ({
      label,
      count,
      mean: encodeNumbers(mean),
      spread: usual === 0 ? 1 : trace(covariance, size) / usual,
    })),
  };
}

/** The moments of a background, label by label. Throws `model-invalid` where sizes differ. */
export function momentsOfBackground(background: Background): readonly Moments[] {
  const { size, labels } = background;
  const triangle = decodeNumbers(background.covariance, (size * (size + 1)) / 2);
  return labels.map(({ count, mean, spread }) => {
    const covariance = new Float64Array(size * size);
    let at = 0;
    for (let row = 0; row < size; row += 1) {
      for (let column = 0; column <= row; column += 1) {
        const value = spread * (triangle[at] ?? 0);
        covariance[row * size + column] = value;
        covariance[column * size + row] = value;
        at += 1;
      }
    }
    return { count, mean: decodeNumbers(mean, size), covariance };
  });
}

function trace(matrix: Float64Array, size: number): number {
  let sum = 0;
  for (let at = 0; at < size; at += 1) sum += matrix[at * size + at] ?? 0;
  return sum;
}
