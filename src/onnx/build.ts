import { elementTypeCode } from './element-type.ts';
import type { Attribute, Node, TensorRecord, TensorType, ValueInfo } from './proto.ts';

/** AttributeProto.AttributeType, of the kinds that are written here. */
const ATTRIBUTE = { float: 1, int: 2, string: 3, tensor: 4, ints: 7 } as const;

const NONE = { unknown: [] } as const;
const encoder = new TextEncoder();

/** What an attribute can be given as: a bigint is an int, a number a float. */
export type AttributeValue = number | bigint | string | readonly bigint[] | TensorRecord;

export interface NodeParts {
  readonly operator: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly domain?: string;
  readonly name?: string;
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
}

/** One use of an operator. */
export function createNode(parts: NodeParts): Node {
  const { attributes = {}, ...rest } = parts;
  const pairs = Object.entries(attributes);
  return { ...NONE, ...rest, attributes: pairs.map(([name, value]) => attribute(name, value)) };
}

/** A tensor type of a name; without sizes the rank is unknown, a size of -1 is free. */
export function createValueInfo(name: string, type: string, sizes?: readonly number[]): ValueInfo {
  const dims = sizes?.map((size) => (size < 0 ? NONE : { ...NONE, size: BigInt(size) }));
  const tensor: TensorType = {
    ...NONE,
    elementType: elementTypeCode(type),
    ...(dims && { shape: { ...NONE, dims } }),
  };
  return { ...NONE, name, type: { ...NONE, tensor } };
}

function attribute(name: string, value: AttributeValue): Attribute {
  const empty = { ...NONE, floats: [], ints: [], byteStrings: [], tensors: [], graphs: [] };
  const base = { ...empty, sparseTensors: [], name };
  if (typeof value === 'number') return { ...base, type: ATTRIBUTE.float, float: value };
  if (typeof value === 'bigint') return { ...base, type: ATTRIBUTE.int, int: value };
  if (typeof value === 'string') {
    return { ...base, type: ATTRIBUTE.string, bytes: encoder.encode(value) };
  }
  if (isTensor(value)) return { ...base, type: ATTRIBUTE.tensor, tensor: value };
  return { ...base, type: ATTRIBUTE.ints, ints: value };
}

function isTensor(value: readonly bigint[] | TensorRecord): value is TensorRecord {
  return 'dims' in value;
}
