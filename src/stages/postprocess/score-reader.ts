import { FieldError } from '../../flow/stage.ts';
import { formatType, type Result, type Value, type ValueType } from '../../flow/value.ts';
import { LedgeError } from '../../std/error.ts';
import { z } from '../../std/schema.ts';
import { FREE } from '../../tensor/tensor.ts';
import { readPath } from './field-path.ts';
import { oneTensor, oneTensorType } from './one-tensor.ts';
import { finite, float32Of } from './scores.ts';

/** Which number of a value a step looks at: configuration that several steps share. */
export const scoreFields = {
  label: z
    .string()
    .optional()
    .describe('The score of this label; default the best score, or the only element.'),
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

function placeOf(input: ValueType, { label, element }: ScoreFields): number {
  const type = oneTensorType(input);
  const count = type.shape.every((size) => size !== FREE)
    ? type.shape.reduce((product, size) => product * size, 1)
    : undefined;
  if (label !== undefined) {
    const place = type.labels?.indexOf(label) ?? -1;
    if (place < 0 || element !== undefined) {
      throw new FieldError('label', label, `one of ${type.labels?.join(', ') ?? 'no labels'}`);
    }
    return place;
  }
  const place = element ?? 0;
  if (count !== undefined && (place >= count || (element === undefined && count !== 1))) {
    throw new FieldError('element', element, `a place among the ${count} of ${formatType(type)}`);
  }
  return place;
}

function readElement(value: Value, place: number): number {
  const tensor = oneTensor(value);
  const score = float32Of(tensor)[place];
  if (score === undefined) {
    throw new LedgeError(
      'shape-mismatch',
      `Cannot read element ${place}: the tensor has ${tensor.data.length}`,
    );
  }
  return finite(score, `element ${place}`);
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
