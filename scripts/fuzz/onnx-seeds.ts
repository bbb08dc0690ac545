import { elementTypeCode } from '../../src/onnx/element-type.ts';
import { encodeModel } from '../../src/onnx/graph.ts';
import type {
  Attribute,
  Entry,
  Graph,
  Model,
  ModelFunction,
  Node,
  TensorRecord,
  ValueInfo,
} from '../../src/onnx/proto.ts';
import type { Random } from './random.ts';

const NONE = { unknown: [] } as const;
const TYPES = ['float32', 'int8', 'uint8', 'int64', 'int32', 'float16', 'int4', 'string', 'bool'];
const OPERATORS = [
  ...['MatMul', 'Add', 'Relu', 'Conv', 'Reshape', 'Cast', 'Expand', 'Tile', 'ConstantOfShape'],
  ...['Constant', 'Gather', 'If', 'Loop', 'Scan', 'QLinearConv', 'Identity', 'constructor', 'own'],
];
const NAMES = ['x', 'y', 'w', 'a', 'b', 'c', '', '__proto__', 'then'];
/** Where external data may be said to lie: beside the model, and everywhere else. */
const LOCATIONS = [
  ...['weights.bin', './weights.bin', '../weights.bin', '/etc/passwd', 'C:\\x', 'a/../../b'],
  ...['link.bin', 'pipe', 'folder', '/proc/self/mem', 'weights.bin\0', '..', '.', ''],
];
/** Graphs within graphs: beyond the reader's own limit of depth. */
const DEPTH_MAX = 40;

/** A small model, good or nearly so: constants, subgraphs, functions, external data. */
export function randomModel(random: Random): Uint8Array {
  const model: Model = {
    ...NONE,
    irVersion: BigInt(random.pick([3, 8, 10, 13, 14])),
    producerName: 'fuzz',
    opsetImports: [{ ...NONE, version: BigInt(random.pick([1, 13, 17, 23])) }],
    metadata: [],
    functions: Array.from({ length: random.oneIn(4) ? 1 + random.below(3) : 0 }, () =>
      functionOf(random),
    ),
    graph: graphOf(random, random.oneIn(50) ? DEPTH_MAX : 2),
  };
  return encodeModel(model);
}

function graphOf(random: Random, depth: number): Graph {
  return {
    ...NONE,
    name: random.pick(NAMES),
    // Only the first goes deep: a graph in each would be a forest without end.
    nodes: Array.from({ length: 1 + random.below(4) }, (_, index) =>
      nodeOf(random, index > 0 ? Math.min(depth, 1) : depth),
    ),
    initializers: Array.from({ length: random.below(3) }, () => tensorOf(random)),
    sparseInitializers: random.oneIn(12) ? [{ ...NONE, values: tensorOf(random), dims: [3n] }] : [],
    inputs: [endOf('x', random), ...(random.oneIn(3) ? [endOf('w', random)] : [])],
    outputs: [endOf(random.oneIn(4) ? random.pick(NAMES) : 'y', random)],
    valueInfos: random.oneIn(4) ? [endOf('a', random)] : [],
  };
}

function functionOf(random: Random): ModelFunction {
  return {
    ...NONE,
    name: random.pick(['own', 'constructor', 'Relu']),
    domain: random.pick(['', 'local']),
    inputs: ['x'],
    outputs: ['y'],
    nodes: Array.from({ length: random.below(3) }, () => nodeOf(random, 1)),
    opsetImports: [{ ...NONE, version: 17n }],
  };
}

function nodeOf(random: Random, depth: number): Node {
  const names = (count: number) => Array.from({ length: count }, () => random.pick(NAMES));
  const deep = depth > 2;
  const nested = depth > 0 && (deep || random.oneIn(5));
  return {
    ...NONE,
    operator: random.pick(OPERATORS),
    name: random.oneIn(2) ? random.pick(NAMES) : 'n',
    ...(random.oneIn(8) && { domain: random.pick(['local', 'com.microsoft', 'ai.onnx.ml']) }),
    inputs: names(random.below(4)),
    outputs: random.oneIn(3) ? ['y'] : names(1 + random.below(2)),
    attributes: [
      ...Array.from({ length: random.below(3) }, () => attributeOf(random)),
      ...(nested ? [{ ...EMPTY, name: 'body', type: 5, graph: graphOf(random, depth - 1) }] : []),
    ],
  };
}

const LISTS = { floats: [], ints: [], byteStrings: [], tensors: [], graphs: [], sparseTensors: [] };
const EMPTY = { ...NONE, ...LISTS };

function attributeOf(random: Random): Attribute {
  const name = random.pick(['shape', 'value', 'to', 'axis', 'body', '__proto__']);
  const kinds: readonly (() => Attribute)[] = [
    () => ({ ...EMPTY, name, type: 1, float: random.below(100) / 7 }),
    () => ({ ...EMPTY, name, type: 2, int: sizeOf(random) }),
    () => ({ ...EMPTY, name, type: 3, bytes: random.bytes(random.below(8)) }),
    () => ({ ...EMPTY, name, type: 4, tensor: tensorOf(random) }),
    () => ({ ...EMPTY, name, type: 7, ints: [sizeOf(random), sizeOf(random)] }),
    () => ({ ...EMPTY, name, type: 9, tensors: [tensorOf(random)] }),
  ];
  return random.pick(kinds)();
}

function tensorOf(random: Random): TensorRecord {
  const rank = random.below(4);
  const small = !random.oneIn(6);
  const dims = Array.from({ length: rank }, () =>
    small ? BigInt(random.below(4)) : sizeOf(random),
  );
  const type = random.pick(TYPES);
  const count = dims.reduce((product, size) => product * size, 1n);
  const bytes = count >= 0n && count < 64n ? Number(count) * widthOf(type) : random.below(16);
  const external = random.oneIn(5);
  return {
    ...NONE,
    name: random.pick(NAMES),
    dims,
    dataType: random.oneIn(20) ? random.below(64) : elementTypeCode(type),
    stringData: type === 'string' ? [random.bytes(3)] : [],
    externalData: external ? externalOf(random) : [],
    ...(external ? { dataLocation: 1 } : { rawData: random.bytes(bytes) }),
    ...(random.oneIn(8) && { int64Data: random.bytes(6).map((byte) => byte & 0x7f) }),
    ...(random.oneIn(12) && { floatData: random.bytes(8) }),
  };
}

function externalOf(random: Random): Entry[] {
  const number = () => String(random.pick([0, 1, 16, -1, 4096, 1e15, 2 ** 53, '0x10', '1e3', '']));
  const entries: Entry[] = [{ ...NONE, key: 'location', value: random.pick(LOCATIONS) }];
  if (random.oneIn(2)) entries.push({ ...NONE, key: 'offset', value: number() });
  if (random.oneIn(2)) entries.push({ ...NONE, key: 'length', value: number() });
  if (random.oneIn(6)) entries.push({ ...NONE, key: 'location', value: 'weights.bin' });
  return entries;
}

function endOf(name: string, random: Random): ValueInfo {
  const dims = Array.from({ length: random.below(4) }, () => {
    if (random.oneIn(4)) return { ...NONE, symbol: 'N' };
    return { ...NONE, size: random.oneIn(8) ? sizeOf(random) : BigInt(1 + random.below(8)) };
  });
  const elementType = random.oneIn(12) ? random.below(40) : elementTypeCode(random.pick(TYPES));
  const shape = random.oneIn(8) ? {} : { shape: { ...NONE, dims } };
  return { ...NONE, name, type: { ...NONE, tensor: { ...NONE, elementType, ...shape } } };
}

function sizeOf(random: Random): bigint {
  return random.pick([0n, 1n, -1n, 7n, 1024n, 2n ** 31n, 2n ** 53n, 2n ** 63n - 1n, -(2n ** 63n)]);
}

function widthOf(type: string): number {
  return { float32: 4, int64: 8, int32: 4, float16: 2 }[type] ?? 1;
}
