import type { DataType } from '../tensor/tensor.ts';

/** What an ONNX element type is called, and what Ledge knows of it. */
export interface ElementType {
  readonly name: string;
  /** Bits of one element; undefined for strings, whose length varies. */
  readonly bits: number | undefined;
  /** The type it has as a tensor of Ledge; undefined where onnxruntime-node cannot pass it. */
  readonly dataType: DataType | undefined;
}

// TensorProto.DataType, by its numbers.
const TYPES: readonly (ElementType | undefined)[] = [
  undefined,
  { name: 'float32', bits: 32, dataType: 'float32' },
  { name: 'uint8', bits: 8, dataType: 'uint8' },
  { name: 'int8', bits: 8, dataType: 'int8' },
  { name: 'uint16', bits: 16, dataType: 'uint16' },
  { name: 'int16', bits: 16, dataType: 'int16' },
  { name: 'int32', bits: 32, dataType: 'int32' },
  { name: 'int64', bits: 64, dataType: 'int64' },
  { name: 'string', bits: undefined, dataType: undefined },
  { name: 'bool', bits: 8, dataType: 'bool' },
  { name: 'float16', bits: 16, dataType: 'float16' },
  { name: 'float64', bits: 64, dataType: 'float64' },
  { name: 'uint32', bits: 32, dataType: 'uint32' },
  { name: 'uint64', bits: 64, dataType: 'uint64' },
  { name: 'complex64', bits: 64, dataType: undefined },
  { name: 'complex128', bits: 128, dataType: undefined },
  { name: 'bfloat16', bits: 16, dataType: undefined },
  { name: 'float8e4m3fn', bits: 8, dataType: undefined },
  { name: 'float8e4m3fnuz', bits: 8, dataType: undefined },
  { name: 'float8e5m2', bits: 8, dataType: undefined },
  { name: 'float8e5m2fnuz', bits: 8, dataType: undefined },
  { name: 'uint4', bits: 4, dataType: undefined },
  { name: 'int4', bits: 4, dataType: undefined },
  { name: 'float4e2m1', bits: 4, dataType: undefined },
  { name: 'float8e8m0', bits: 8, dataType: undefined },
  { name: 'uint2', bits: 2, dataType: undefined },
  { name: 'int2', bits: 2, dataType: undefined },
];

/** The element type of a number in a model file; undefined for 0 and for numbers ONNX has not. */
export function elementTypeOf(code: number | undefined): ElementType | undefined {
  return code === undefined ? undefined : TYPES[code];
}

/** The number of an element type in a model file, by its name. */
export function elementTypeCode(name: string): number {
  return TYPES.findIndex((type) => type?.name === name);
}
