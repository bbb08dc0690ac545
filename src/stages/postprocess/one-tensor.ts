import { FieldError } from '../../flow/stage.ts';
import { formatType, type TensorType, type Value, type ValueType } from '../../flow/value.ts';
import { LedgeError } from '../../std/error.ts';
import { FREE, type Tensor } from '../../tensor/tensor.ts';

/**
 * The one tensor that a step's input type holds: itself, or the only output of a model. Throws
 * FieldError where there is none or a choice.
 */
export function oneTensorType(input: ValueType): TensorType {
  if (input.kind === 'tensor') return input;
  if (input.kind !== 'tensors') throw new FieldError('', formatType(input), 'a tensor');
  const names = Object.keys(input.tensors);
  const only = input.tensors[names[0] ?? ''];
  if (names.length !== 1 || only === undefined) {
    throw new FieldError('', names, 'one tensor; choose it with `pick`');
  }
  const { labels } = input;
  const labelled = labels !== undefined && fitsLabels(only.shape, labels);
  return { kind: 'tensor', ...only, ...(labelled && { labels }) };
}

/** The value that `oneTensorType` speaks of. */
export function oneTensor(value: Value): Tensor {
  if (value.kind === 'tensor') return value;
  const tensors = value.kind === 'tensors' ? Object.values(value.tensors) : [];
  const only = tensors[0];
  if (tensors.length !== 1 || only === undefined) {
    throw new LedgeError('internal', `Cannot take a tensor: the value is ${value.kind}`);
  }
  return only;
}

/** Whether these names may stand along the last axis of a shape. */
export function fitsLabels(shape: readonly number[], labels: readonly string[]): boolean {
  const last = shape.at(-1);
  return last === FREE || last === labels.length;
}

/** Labels for the last axis: those of the configuration, else those that came with the tensor. */
export function labelsFor(
  type: TensorType,
  configured: readonly string[] | undefined,
): readonly string[] | undefined {
  const labels = configured ?? type.labels;
  if (labels === undefined || fitsLabels(type.shape, labels)) return labels;
  throw new FieldError(
    'labels',
    `${labels.length} labels`,
    `${type.shape.at(-1)}, one for each score of ${formatType(type)}`,
  );
}
