import { FieldError, type StageContext } from '../../flow/stage.ts';
import { formatType, type TensorType, type Value } from '../../flow/value.ts';
import type { DataType, Tensor } from '../../tensor/tensor.ts';

export interface TensorWish {
  readonly type?: DataType;
  readonly rank?: number;
}

/** The input as a tensor's type. Throws FieldError where it is no tensor, or not the wished one. */
export function requireTensor(context: StageContext, { type, rank }: TensorWish = {}): TensorType {
  const { input } = context;
  const fits =
    input.kind === 'tensor' &&
    (type === undefined || input.type === type) &&
    (rank === undefined || input.shape.length === rank);
  if (fits) return input;
  const axes = rank === undefined ? '' : ` of rank ${rank}`;
  throw new FieldError('', formatType(input), `a ${type ? `${type} ` : ''}tensor${axes}`);
}

/** A value that the compiler promised to be a tensor. */
export function tensorOfValue(value: Value): Tensor {
  if (value.kind === 'tensor') return value;
  throw new TypeError(`a tensor stage was given a ${value.kind}`);
}

/** A float32 tensor's data. */
export function floatsOf(tensor: Tensor): Float32Array {
  if (tensor.data instanceof Float32Array) return tensor.data;
  throw new TypeError(`a float32 stage was given ${tensor.type}`);
}
