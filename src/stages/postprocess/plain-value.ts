import type { Value } from '../../flow/value.ts';
import { LedgeError } from '../../std/error.ts';
import { formatShape, type Tensor } from '../../tensor/tensor.ts';
import { finite, float32Of } from './scores.ts';

/** Numbers of one tensor in a result: a small heat map. Larger ones travel as base64. */
export const PLAIN_NUMBERS_MAX = 16_384;

/** A value as JSON: a labelled row as {label: number}, any other tensor as nested lists. */
export function plainValue(value: Value, labels?: readonly string[]): unknown {
  switch (value.kind) {
    case 'result':
      return value.result;
    case 'fields':
      return value.fields;
    case 'text':
      return value.text;
    case 'tensor':
      return plainTensor(value, labels);
    case 'tensors':
      return Object.fromEntries(
        Object.entries(value.tensors).map(([name, tensor]) => [name, plainTensor(tensor)]),
      );
    case 'bytes':
    case 'image':
      return Buffer.from(value.bytes).toString('base64');
  }
}

function plainTensor(tensor: Tensor, labels?: readonly string[]): unknown {
  if (tensor.data.length > PLAIN_NUMBERS_MAX) {
    throw new LedgeError(
      'payload-too-large',
      `Cannot publish a tensor as numbers: ${formatShape(tensor.shape)} is over ${PLAIN_NUMBERS_MAX}`,
    );
  }
  const numbers = Array.from(float32Of(tensor), (number, index) =>
    finite(number, `element ${index}`),
  );
  if (labels !== undefined && labels.length === numbers.length) {
    return Object.fromEntries(labels.map((label, index) => [label, numbers[index]]));
  }
  return nest(numbers, tensor.shape);
}

/** Numbers as lists in lists by shape; a scalar is the number itself. */
function nest(numbers: readonly number[], shape: readonly number[]): unknown {
  const [first, ...rest] = shape;
  if (first === undefined) return numbers[0];
  if (rest.length === 0) return numbers;
  const size = first === 0 ? 0 : numbers.length / first;
  return Array.from({ length: first }, (_, index) =>
    nest(numbers.slice(index * size, (index + 1) * size), rest),
  );
}
