import type { Stage } from '../../../src/flow/stage.ts';
import type { Fields, TensorType, Value } from '../../../src/flow/value.ts';
import { elementCount, float32, type Tensor } from '../../../src/tensor/tensor.ts';
import { runStage, type StageUse, valuesOf } from '../../harness/run-stage.ts';

/** The type of a float32 tensor. */
export function typeOf(shape: readonly number[], more: Partial<TensorType> = {}): TensorType {
  return { kind: 'tensor', type: 'float32', shape, ...more };
}

/** A float32 tensor of given elements, or of 0, 1, 2, ... from `from` on. */
export function tensor(shape: readonly number[], from: number | readonly number[] = 0): Tensor {
  const data =
    typeof from === 'number'
      ? Float32Array.from({ length: elementCount(shape) }, (_, index) => from + index)
      : Float32Array.from(from);
  return float32(shape, data);
}

export function record(fields: Readonly<Record<string, number>>): Fields {
  return { kind: 'fields', fields };
}

/** Every value that the stage gives for these, as plain lists: one list of windows per value. */
export async function given(
  stage: Stage,
  use: StageUse,
  values: readonly Value[],
): Promise<unknown[][]> {
  const outcomes = await runStage(stage, use, values);
  return outcomes.map((outcome) => valuesOf(outcome).map(plain));
}

/** The elements of a tensor, the fields of a record. */
export function plain(value: Value): unknown {
  if (value.kind === 'tensor') return Array.from(value.data, Number);
  return value.kind === 'fields' ? value.fields : value;
}
