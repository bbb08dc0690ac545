import { FieldError } from '../../flow/stage.ts';
import { formatType, type Result, type Value, type ValueType } from '../../flow/value.ts';
import { LedgeError } from '../../std/error.ts';
import { z } from '../../std/schema.ts';
import { elementCount, FREE } from '../../tensor/tensor.ts';
import { readPath } from './field-path.ts';
import { oneTensor, oneTensorType } from './one-tensor.ts';
import { finite, float32Of } from './scores.ts';

/** Which number of a value a step looks at: configuration that several steps share. */
export const scoreFields = {
  label: z
    .string()
    .optional()
    .describe('The score of this label; default the best score there is.'),
  element: z
    .int()
    .min(0)
    .optional()
    .describe('The element of a tensor at this place, where it has no labels.'),
  field: z
    .string()
    .optional()
    .describe('The number of a result at this path, as `score` or `verdict.score`.'),
};

export interface ScoreFields {
  readonly label?: string | undefined;
  readonly element?: number | undefined;
  readonly field?: string | undefined;
}

/**
 * Compiles how one number is read off a value: a field of a result, the score of one label of a
 * classification (0 where it is not among its best), or one element of a tensor. Throws FieldError.
 */
export function compileScoreReader(
  input: ValueType,
  { label, element, field }: ScoreFields,
): (value: Value) => number {
  if (input.kind !== 'result') {
    if (field !== undefined) throw new FieldError('field', field, 'an input that is a result');
    const place = placeOf(input, { label, element });
    return (value) => readElement(value, place);
  }
  if (element !== undefined) throw new FieldError('element', element, 'an input that is a tensor');
  if (label === undefined) return (value) => readField(value, field ?? 'score');
  if (field !== undefined) throw new FieldError('field', field, 'either `label` or `field`');
  if (input.of !== 'classification' || input.labels?.includes(label) === false) {
    throw new FieldError('label', label, expectedLabel(input));
  }
  return (value) => readLabel(value, label);
}

function expectedLabel(input: Extract<ValueType, { kind: 'result' }>): string {
  return input.labels === undefined ? 'a classification' : `one of ${input.labels.join(', ')}`;
}

/** Where the element stands; undefined means the largest, wherever it is. */
function placeOf(input: ValueType, { label, element }: ScoreFields): number | undefined {
  const type = oneTensorType(input);
  if (label !== undefined) {
    const place = type.labels?.indexOf(label) ?? -1;
    if (place < 0 || element !== undefined) {
      throw new FieldError('label', label, `one of ${type.labels?.join(', ') ?? 'no labels'}`);
    }
    return place;
  }
  const count = type.shape.includes(FREE) ? Number.POSITIVE_INFINITY : elementCount(type.shape);
  if (element !== undefined && element >= count) {
    throw new FieldError('element', element, `a place among the ${count} of ${formatType(type)}`);
  }
  return element;
}

function readElement(value: Value, place: number | undefined): number {
  const scores = float32Of(oneTensor(value));
  const at = place ?? largestPlace(scores);
  const score = scores[at];
  if (score !== undefined) return finite(score, `element ${at}`);
  throw new LedgeError(
    'shape-mismatch',
    `Cannot read element ${at}: the tensor has ${scores.length} elements`,
  );
}

/** The place of the largest number, or of the first that is none. */
function largestPlace(scores: Float32Array): number {
  let place = 0;
  for (let at = 1; at < scores.length && !Number.isNaN(scores[place]); at += 1) {
    if (!(scores[at]! <= scores[place]!)) place = at;
  }
  return place;
}

function resultOf(value: Value): Result['result'] {
  if (value.kind === 'result') return value.result;
  throw new LedgeError('internal', `Cannot read a result: the value is ${value.kind}`);
}

function readField(value: Value, field: string): number {
  const found = readPath(resultOf(value), field);
  if (typeof found === 'number') return finite(found, `the field "${field}"`);
  throw new LedgeError('value-invalid', `Cannot read the field "${field}": it is no number`);
}

function readLabel(value: Value, label: string): number {
  const { label: best, score, top } = resultOf(value);
  if (best === label && typeof score === 'number') return score;
  const entries: readonly unknown[] = Array.isArray(top) ? top : [];
  for (const entry of entries) {
    const ranked = entry as { readonly label?: unknown; readonly score?: unknown };
    if (ranked.label === label && typeof ranked.score === 'number') return ranked.score;
  }
  return 0;
}
