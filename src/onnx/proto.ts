import {
  byteStrings,
  bytes,
  float,
  floats,
  int32,
  int64,
  int64s,
  type Message,
  message,
  messages,
  packed,
  string,
  strings,
  type Table,
} from './message.ts';
import { FIXED32, FIXED64, VARINT } from './wire.ts';

// The messages of ONNX 1.20, IR version 13 [onnx/onnx.proto], by their own names. What Ledge does
// not need (documentation, training, placement on several devices) stays among `unknown`.

/** A model file. */
export interface Model extends Message {
  readonly irVersion?: bigint;
  readonly producerName?: string;
  readonly producerVersion?: string;
  readonly domain?: string;
  readonly modelVersion?: bigint;
  readonly graph?: Graph;
  readonly opsetImports: readonly OpsetImport[];
  readonly metadata: readonly Entry[];
  readonly functions: readonly ModelFunction[];
}

/** Which version of a domain's operators the model speaks; '' is ONNX's own domain. */
export interface OpsetImport extends Message {
  readonly domain?: string;
  readonly version?: bigint;
}

/** A key and its value. */
export interface Entry extends Message {
  readonly key?: string;
  readonly value?: string;
}

/** Nodes in topological order, and the names they read and write. */
export interface Graph extends Message {
  readonly nodes: readonly Node[];
  readonly name?: string;
  readonly initializers: readonly TensorRecord[];
  readonly sparseInitializers: readonly SparseTensor[];
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly valueInfos: readonly ValueInfo[];
}

/** One use of an operator. An empty name among its inputs or outputs is one left out. */
export interface Node extends Message {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly name?: string;
  readonly operator?: string;
  readonly domain?: string;
  readonly attributes: readonly Attribute[];
}

/** A constant of a node; `type` says which of the fields counts. */
export interface Attribute extends Message {
  readonly name?: string;
  readonly reference?: string;
  readonly type?: number;
  readonly float?: number;
  readonly int?: bigint;
  readonly bytes?: Uint8Array;
  readonly tensor?: TensorRecord;
  readonly graph?: Graph;
  readonly sparseTensor?: SparseTensor;
  readonly floats: readonly number[];
  readonly ints: readonly bigint[];
  readonly byteStrings: readonly Uint8Array[];
  readonly tensors: readonly TensorRecord[];
  readonly graphs: readonly Graph[];
  readonly sparseTensors: readonly SparseTensor[];
}

/** A constant tensor; its numbers are views on the file. */
export interface TensorRecord extends Message {
  readonly dims: readonly bigint[];
  readonly dataType?: number;
  readonly floatData?: Uint8Array;
  readonly int32Data?: Uint8Array;
  readonly stringData: readonly Uint8Array[];
  readonly int64Data?: Uint8Array;
  readonly name?: string;
  readonly rawData?: Uint8Array;
  readonly doubleData?: Uint8Array;
  readonly uint64Data?: Uint8Array;
  readonly externalData: readonly Entry[];
  /** 1: the numbers are in another file. */
  readonly dataLocation?: number;
}

/** A constant tensor given by its values other than zero. */
export interface SparseTensor extends Message {
  readonly values?: TensorRecord;
  readonly indices?: TensorRecord;
  readonly dims: readonly bigint[];
}

/** A name with its type. */
export interface ValueInfo extends Message {
  readonly name?: string;
  readonly type?: ValueType;
}

/** Exactly one of the fields is there. */
export interface ValueType extends Message {
  readonly tensor?: TensorType;
  readonly sequence?: Message;
  readonly map?: Message;
  readonly opaque?: Message;
  readonly sparseTensor?: TensorType;
  readonly optional?: Message;
}

/** An element type and, where it is known, a shape. */
export interface TensorType extends Message {
  readonly elementType?: number;
  readonly shape?: Shape;
}

/** The dimensions of a tensor. */
export interface Shape extends Message {
  readonly dims: readonly Dimension[];
}

/** A size, or a name for one that is free, or neither. */
export interface Dimension extends Message {
  readonly size?: bigint;
  readonly symbol?: string;
}

/** An operator that the model itself defines. */
export interface ModelFunction extends Message {
  readonly name?: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly nodes: readonly Node[];
  readonly opsetImports: readonly OpsetImport[];
  readonly domain?: string;
}

const EMPTY: Table<Message> = {};

const ENTRY: Table<Entry> = { key: string(1), value: string(2) };

const OPSET_IMPORT: Table<OpsetImport> = { domain: string(1), version: int64(2) };

const DIMENSION: Table<Dimension> = { size: int64(1), symbol: string(2) };

const SHAPE: Table<Shape> = { dims: messages(1, () => DIMENSION) };

const TENSOR_TYPE: Table<TensorType> = { elementType: int32(1), shape: message(2, () => SHAPE) };

const VALUE_TYPE: Table<ValueType> = {
  tensor: message(1, () => TENSOR_TYPE),
  sequence: message(4, () => EMPTY),
  map: message(5, () => EMPTY),
  opaque: message(7, () => EMPTY),
  sparseTensor: message(8, () => TENSOR_TYPE),
  optional: message(9, () => EMPTY),
};

const VALUE_INFO: Table<ValueInfo> = { name: string(1), type: message(2, () => VALUE_TYPE) };

const TENSOR: Table<TensorRecord> = {
  dims: int64s(1),
  dataType: int32(2),
  floatData: packed(4, FIXED32),
  int32Data: packed(5, VARINT),
  stringData: byteStrings(6),
  int64Data: packed(7, VARINT),
  name: string(8),
  rawData: bytes(9),
  doubleData: packed(10, FIXED64),
  uint64Data: packed(11, VARINT),
  externalData: messages(13, () => ENTRY),
  dataLocation: int32(14),
};

const SPARSE_TENSOR: Table<SparseTensor> = {
  values: message(1, () => TENSOR),
  indices: message(2, () => TENSOR),
  dims: int64s(3),
};

const ATTRIBUTE: Table<Attribute> = {
  name: string(1),
  float: float(2),
  int: int64(3),
  bytes: bytes(4),
  tensor: message(5, () => TENSOR),
  graph: message(6, () => GRAPH),
  floats: floats(7),
  ints: int64s(8),
  byteStrings: byteStrings(9),
  tensors: messages(10, () => TENSOR),
  graphs: messages(11, () => GRAPH),
  type: int32(20),
  reference: string(21),
  sparseTensor: message(22, () => SPARSE_TENSOR),
  sparseTensors: messages(23, () => SPARSE_TENSOR),
};

const NODE: Table<Node> = {
  inputs: strings(1),
  outputs: strings(2),
  name: string(3),
  operator: string(4),
  attributes: messages(5, () => ATTRIBUTE),
  domain: string(7),
};

const GRAPH: Table<Graph> = {
  nodes: messages(1, () => NODE),
  name: string(2),
  initializers: messages(5, () => TENSOR),
  inputs: messages(11, () => VALUE_INFO),
  outputs: messages(12, () => VALUE_INFO),
  valueInfos: messages(13, () => VALUE_INFO),
  sparseInitializers: messages(15, () => SPARSE_TENSOR),
};

const FUNCTION: Table<ModelFunction> = {
  name: string(1),
  inputs: strings(4),
  outputs: strings(5),
  nodes: messages(7, () => NODE),
  opsetImports: messages(9, () => OPSET_IMPORT),
  domain: string(10),
};

/** The table of a whole model file. */
export const MODEL: Table<Model> = {
  irVersion: int64(1),
  producerName: string(2),
  producerVersion: string(3),
  domain: string(4),
  modelVersion: int64(5),
  graph: message(7, () => GRAPH),
  opsetImports: messages(8, () => OPSET_IMPORT),
  metadata: messages(14, () => ENTRY),
  functions: messages(25, () => FUNCTION),
};
