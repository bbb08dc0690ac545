import { LedgeError } from '../std/error.ts';
import type { TaughtRow } from './head.ts';
import { type Moments, momentsOf } from './moments.ts';
import { learnRow } from './solve.ts';

/** A label with the features of its examples. */
export interface Lessoned {
  readonly label: string;
  readonly features: readonly Float64Array[];
}

/** A label learned, and how many of its examples the others of it make known (leave one out). */
export interface LearnedLabel {
  readonly label: string;
  readonly row: TaughtRow;
  readonly recognised: number;
  readonly of: number;
  /** The share of known events that would be taken for it, by the moments of their features. */
  readonly falseShare: number;
}

/**
 * Learns every taught label against the known ones and against each other. Throws `value-invalid`
 * where nothing is known of other labels, or a feature is no number.
 */
export function learnLabels(
  labels: readonly Lessoned[],
  known: readonly Moments[],
): readonly LearnedLabel[] {
  for (const { label, features } of labels) checkFinite(label, features);
  const groups = labels.map(({ features }) => momentsOf(features));
  return labels.map(({ label, features }, at) => {
    const others = [...known, ...groups.filter((_, other) => other !== at)];
    if (others.length === 0) {
      const state = 'there are no events of other labels to tell it from';
      throw new LedgeError('value-invalid', `Cannot teach "${label}": ${state}`);
    }
    const { row, leftOutMargins, falseShare } = learnRow(features, others);
    const recognised = leftOutMargins.filter((margin) => margin > 0).length;
    return { label, row, recognised, of: features.length, falseShare };
  });
}

function checkFinite(label: string, features: readonly Float64Array[]): void {
  const bad = features.findIndex((row) => row.some((value) => !Number.isFinite(value)));
  if (bad < 0) return;
  const state = `the model's features of example ${bad + 1} are no numbers`;
  throw new LedgeError('value-invalid', `Cannot teach "${label}": ${state}`);
}
