/** The element types Ledge moves, by ONNX's names. float16 travels as raw bits in a Uint16Array. */
export type DataType =
  | 'float32'
  | 'float16'
  | 'float64'
  | 'int8'
  | 'uint8'
  | 'int16'
  | 'uint16'
  | 'int32'
  | 'uint32'
  | 'int64'
  | 'uint64'
  | 'bool';

export type TensorData =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

/** A dense row-major array. `data.length` is the product of `shape`; a scalar has the shape []. */
export interface Tensor {
  readonly kind: 'tensor';
  readonly type: DataType;
  readonly shape: readonly number[];
  readonly data: TensorData;
}

/** A dimension that is free until an event comes. */
export const FREE = -1;

/** What is known of a tensor before the first event: FREE stands for a dimension that varies. */
export interface TensorSpec {
  readonly type: DataType;
  readonly shape: readonly number[];
}

export interface NamedTensorSpec extends TensorSpec {
  readonly name: string;
}

const ARRAYS = {
  float32: Float32Array,
  float16: Uint16Array,
  float64: Float64Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
} as const;

/** The typed array class that holds elements of this type. */
export function arrayOf<T extends DataType>(type: T): (typeof ARRAYS)[T] {
  return ARRAYS[type];
}

/** Bytes of one element. */
export function elementBytes(type: DataType): number {
  return ARRAYS[type].BYTES_PER_ELEMENT;
}

/** The number of elements of a shape; 1 for a scalar. */
export function elementCount(shape: readonly number[]): number {
  let count = 1;
  for (const size of shape) count *= size;
  return count;
}

/** A tensor over existing data. Throws RangeError when the data does not fill the shape. */
export function tensorOf(type: DataType, shape: readonly number[], data: TensorData): Tensor {
  if (data.length !== elementCount(shape)) {
    throw new RangeError(`${data.length} elements do not fill the shape [${shape.join(', ')}]`);
  }
  return { kind: 'tensor', type, shape, data };
}

/** A float32 tensor over existing data. */
export function float32(shape: readonly number[], data: Float32Array): Tensor {
  return tensorOf('float32', shape, data);
}

/** A tensor of zeros. */
export function zeros(type: DataType, shape: readonly number[]): Tensor {
  return { kind: 'tensor', type, shape, data: new ARRAYS[type](elementCount(shape)) };
}

/** Whether a concrete shape fits a declared one, in which FREE matches any size. */
export function shapeFits(shape: readonly number[], declared: readonly number[]): boolean {
  if (shape.length !== declared.length) return false;
  return shape.every((size, axis) => {
    const wanted = declared[axis];
    return wanted === FREE || size === FREE || wanted === size;
  });
}

/** A shape as people read it: [1, 49, 10], free dimensions as `?`. */
export function formatShape(shape: readonly number[]): string {
  return `[${shape.map((size) => (size === FREE ? '?' : String(size))).join(', ')}]`;
}
