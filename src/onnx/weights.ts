import { elementTypeOf } from './element-type.ts';
import { elementsOf, type OnnxLimits, tensorBytes } from './graph.ts';
import type { ModelProblem } from './inspect.ts';
import type { TensorRecord } from './proto.ts';
import { countVarints } from './wire.ts';

/** TensorProto.DataLocation: the numbers stand in another file. */
export const EXTERNAL = 1;

/** Why a constant's numbers do not fill its shape; external ones are checked where their file is. */
export function checkConstant(tensor: TensorRecord, limits: OnnxLimits): ModelProblem[] {
  const where = tensor.name ?? '';
  const problem = (message: string) => [{ where, message }];
  const type = elementTypeOf(tensor.dataType);
  const shape = `[${tensor.dims.join(', ')}]`;
  if (type === undefined) return problem(`the constant has the unknown type ${tensor.dataType}`);
  const elements = elementsOf(tensor);
  if (elements === undefined) return problem(`the constant has the impossible shape ${shape}`);
  const bytes = tensorBytes(tensor) ?? elements;
  if (bytes > limits.tensorBytesMax) {
    return problem(`the constant has ${bytes} bytes, the limit is ${limits.tensorBytesMax}`);
  }
  if (tensor.dataLocation === EXTERNAL) return [];
  if (tensor.rawData !== undefined && type.bits !== undefined) {
    if (tensor.rawData.length === bytes) return [];
    return problem(`${tensor.rawData.length} bytes of data for ${bytes} of ${type.name} ${shape}`);
  }
  const held = countOf(tensor, type.name);
  const wanted = storedCount(type.bits, elements);
  if (held === wanted) return [];
  return problem(`${held} numbers of data for ${wanted} of ${type.name} ${shape}`);
}

/** Numbers of less than a byte stand several in one field. */
function storedCount(bits: number | undefined, elements: number): number {
  return bits !== undefined && bits < 8 ? Math.ceil((elements * bits) / 8) : elements;
}

/** How many numbers a constant holds outside its raw data: each type has its field. */
function countOf(tensor: TensorRecord, type: string): number {
  const fixed = (bytes: Uint8Array | undefined, size: number) => (bytes?.length ?? 0) / size;
  const varints = (bytes: Uint8Array | undefined) => countVarints(bytes ?? new Uint8Array());
  switch (type) {
    case 'string':
      return tensor.stringData.length;
    case 'float32':
      return fixed(tensor.floatData, 4);
    case 'complex64':
      return fixed(tensor.floatData, 8);
    case 'float64':
      return fixed(tensor.doubleData, 8);
    case 'complex128':
      return fixed(tensor.doubleData, 16);
    case 'int64':
      return varints(tensor.int64Data);
    case 'uint32':
    case 'uint64':
      return varints(tensor.uint64Data);
    default:
      return varints(tensor.int32Data);
  }
}
