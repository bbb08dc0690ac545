import { arrayOf, type Tensor, type TensorData } from '../tensor/tensor.ts';
import { elementTypeCode, elementTypeOf } from './element-type.ts';
import { elementsOf, tensorBytes } from './graph.ts';
import type { TensorRecord } from './proto.ts';
import { EXTERNAL } from './weights.ts';
import { int64Of, splitVarints } from './wire.ts';

/**
 * The numbers of a constant, little-endian as in raw data; a view where they stand so in the file.
 * Undefined for strings, for numbers in another file, and where they do not fill the shape.
 */
export function rawBytesOf(record: TensorRecord): Uint8Array | undefined {
  const bytes = tensorBytes(record);
  if (bytes === undefined || record.dataLocation === EXTERNAL) return undefined;
  const found = record.rawData ?? fieldBytes(record);
  return found?.length === bytes ? found : undefined;
}

/** A constant as a tensor, copied; undefined for types that Ledge does not move, and as above. */
export function tensorOfRecord(record: TensorRecord): Tensor | undefined {
  const type = elementTypeOf(record.dataType)?.dataType;
  const bytes = type === undefined ? undefined : rawBytesOf(record);
  if (type === undefined || bytes === undefined) return undefined;
  // Raw data stands at any offset of the file; an array wants its own alignment.
  const data = new (arrayOf(type))(new Uint8Array(bytes).buffer);
  return { kind: 'tensor', type, shape: record.dims.map(Number), data };
}

/** A constant of a tensor's numbers; they are not copied. */
export function recordOfTensor(name: string, tensor: Tensor): TensorRecord {
  return recordOfBytes(name, {
    type: tensor.type,
    shape: tensor.shape,
    bytes: viewOf(tensor.data),
  });
}

/** A constant of raw little-endian bytes, for any of ONNX's element types by its name. */
export function recordOfBytes(
  name: string,
  { type, shape, bytes }: { type: string; shape: readonly number[]; bytes: Uint8Array },
): TensorRecord {
  return {
    unknown: [],
    name,
    dims: shape.map(BigInt),
    dataType: elementTypeCode(type),
    stringData: [],
    externalData: [],
    rawData: bytes,
  };
}

function viewOf(data: TensorData): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** Numbers that stand in the field of their type instead. */
function fieldBytes(record: TensorRecord): Uint8Array | undefined {
  const type = elementTypeOf(record.dataType);
  if (type === undefined) return undefined;
  switch (type.name) {
    case 'float32':
    case 'complex64':
      return record.floatData ?? new Uint8Array();
    case 'float64':
    case 'complex128':
      return record.doubleData ?? new Uint8Array();
    case 'int64':
      return packVarints(record.int64Data, 64);
    case 'uint64':
    case 'uint32':
      return packVarints(record.uint64Data, type.bits ?? 64);
    default:
      // Numbers of less than a byte stand two in one field, as in raw data.
      return packVarints(record.int32Data, Math.max(8, type.bits ?? 0));
  }
}

function packVarints(packed: Uint8Array | undefined, bits: number): Uint8Array {
  const parts = splitVarints(packed ?? new Uint8Array());
  const out = new Uint8Array((parts.length * bits) / 8);
  const view = new DataView(out.buffer);
  for (const [at, part] of parts.entries()) {
    const value = int64Of(part);
    if (bits === 64) view.setBigInt64(at * 8, value, true);
    else if (bits === 32) view.setInt32(at * 4, Number(BigInt.asIntN(32, value)), true);
    else if (bits === 16) view.setInt16(at * 2, Number(BigInt.asIntN(16, value)), true);
    else view.setInt8(at, Number(BigInt.asIntN(8, value)));
  }
  return out;
}

/** How many elements a constant has; 0 where its shape is impossible. */
export function countOfRecord(record: TensorRecord): number {
  return elementsOf(record) ?? 0;
}
