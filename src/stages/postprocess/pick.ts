import { defineStage, emit, FieldError } from '../../flow/stage.ts';
import { formatType, type TensorType, type Value, type ValueType } from '../../flow/value.ts';
import { LedgeError } from '../../std/error.ts';
import { z } from '../../std/schema.ts';
import { elementCount, FREE, formatShape, type Tensor, tensorOf } from '../../tensor/tensor.ts';
import { fitsLabels, oneTensor, oneTensorType } from './one-tensor.ts';

const schema = z.strictObject({
  name: z
    .string()
    .min(1)
    .optional()
    .describe('Name of the output; may be left out where there is one.'),
  index: z
    .array(z.int().min(0))
    .min(1)
    .optional()
    .describe('Places along the first axes, which then fall away: [0] takes the batch axis off.'),
});

/** One of a model's outputs, or one part of it. */
export const pick = defineStage({
  kind: 'pick',
  phase: 'postprocess',
  summary: "Takes one of a model's outputs by its name, or a part of a tensor.",
  schema,
  create({ name, index = [] }, { input }) {
    const type = pickType(input, name);
    index.forEach((place, axis) => {
      const size = type.shape[axis];
      if (size === undefined || (size !== FREE && place >= size)) {
        throw new FieldError('index', index, `places within ${formatType(type)}`);
      }
    });
    const shape = type.shape.slice(index.length);
    const labels = shape.length > 0 ? type.labels : undefined;
    return {
      output: { kind: 'tensor', type: type.type, shape, ...(labels && { labels }) },
      scope: 'shared',
      open: () => ({ run: (value) => emit(slice(pickTensor(value, name), index)) }),
    };
  },
});

function pickType(input: ValueType, name: string | undefined): TensorType {
  if (name === undefined) return oneTensorType(input);
  if (input.kind !== 'tensors') {
    throw new FieldError('name', name, `no name: the input is ${formatType(input)}`);
  }
  const spec = Object.hasOwn(input.tensors, name) ? input.tensors[name] : undefined;
  if (spec === undefined) {
    throw new FieldError('name', name, `one of ${Object.keys(input.tensors).join(', ')}`);
  }
  const { labels } = input;
  const labelled = labels !== undefined && fitsLabels(spec.shape, labels);
  return { kind: 'tensor', ...spec, ...(labelled && { labels }) };
}

function pickTensor(value: Value, name: string | undefined): Tensor {
  if (name === undefined) return oneTensor(value);
  const tensor = value.kind === 'tensors' ? value.tensors[name] : undefined;
  if (tensor === undefined) throw new LedgeError('internal', `Cannot pick "${name}": not there`);
  return tensor;
}

function slice(tensor: Tensor, index: readonly number[]): Tensor {
  if (index.length === 0) return tensor;
  const shape = tensor.shape.slice(index.length);
  const size = elementCount(shape);
  let at = 0;
  for (const [axis, place] of index.entries()) {
    const side = tensor.shape[axis] ?? 0;
    if (place >= side) {
      throw new LedgeError(
        'shape-mismatch',
        `Cannot pick [${index.join(', ')}]: the tensor is ${formatShape(tensor.shape)}`,
      );
    }
    at = at * side + place;
  }
  return tensorOf(tensor.type, shape, tensor.data.slice(at * size, (at + 1) * size));
}
