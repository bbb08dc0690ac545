import type { Outcome } from '../../../src/flow/stage.ts';
import type { Result, TensorType, ValueType } from '../../../src/flow/value.ts';
import { float32, type Tensor } from '../../../src/tensor/tensor.ts';

/** A row of scores of one event, as a model gives it: [1, n]. */
export function scores(...row: readonly number[]): Tensor {
  return float32([1, row.length], Float32Array.from(row));
}

/** The type of such a row, with the names of its scores. */
export function scoresType(...labels: readonly string[]): TensorType {
  return { kind: 'tensor', type: 'float32', shape: [1, labels.length], labels };
}

/** A result as a value. */
export function result(fields: Result['result']): Result {
  return { kind: 'result', result: fields };
}

/** The type of a classification with these labels. */
export function classification(...labels: readonly string[]): ValueType {
  return { kind: 'result', of: 'classification', ...(labels.length > 0 && { labels }) };
}

/** What each outcome lets through: the result, the numbers, or why there is nothing. */
export function readOutcomes(outcomes: readonly Outcome[]): unknown[] {
  return outcomes.map((outcome) => {
    if (outcome.kind === 'drop') return outcome.reason;
    if (outcome.kind !== 'emit') return outcome.kind;
    const { value } = outcome;
    if (value.kind === 'result') return value.result;
    return value.kind === 'tensor' ? Array.from(value.data, round) : value;
  });
}

function round(number: number | bigint): number {
  return Math.round(Number(number) * 1e4) / 1e4;
}
