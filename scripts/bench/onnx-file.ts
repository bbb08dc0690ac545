import { concatenate, DELIMITED, FIXED32, tagOf, VARINT, varint } from '../../src/onnx/wire.ts';

const OPSET = 13;
const IR_VERSION = 7;
/** The numbers that onnx.proto gives to element types and attribute types. */
const FLOAT = 1;
const INT64 = 7;
const ATTRIBUTE = { float: 1, integer: 2, integers: 7 };

/** Integers as they are; a `{float}` where the attribute is one. */
export type Attributes = Readonly<Record<string, number | readonly number[] | { float: number }>>;

/** A model's input or output; the shape is without the first dimension, which is free. */
export interface Port {
  readonly name: string;
  readonly shape: readonly number[];
}

/** A graph under construction: nodes and weights are added in the order in which they run. */
export interface GraphWriter {
  /** Adds one operator and gives the name of its output. */
  node(operator: string, inputs: readonly string[], attributes?: Attributes): string;
  /** Adds constant floats and gives their name. */
  floats(shape: readonly number[], data: Float32Array): string;
  /** Adds constant integers, one dimension, and gives their name. */
  integers(values: readonly number[]): string;
  /** How many float parameters were added so far. */
  parameters(): number;
  /** The file with `result` (a node's output) as its one output. */
  finish(input: Port, output: Port, result: string): Uint8Array;
}

/** Builds an ONNX file (opset 13) of float operators with a free first dimension `N`. */
export function createGraphWriter(name: string): GraphWriter {
  const nodes: Uint8Array[] = [];
  const weights: Uint8Array[] = [];
  let parameters = 0;
  const node = (operator: string, inputs: readonly string[], output: string, given: Attributes) =>
    message([
      ...inputs.map((input) => text(1, input)),
      text(2, output),
      text(4, operator),
      ...Object.entries(given).map(([key, value]) => nested(5, attribute(key, value))),
    ]);
  const weight = (type: number, shape: readonly number[], raw: Uint8Array): string => {
    const label = `weight_${weights.length}`;
    const dims = shape.map((size) => integer(1, size));
    weights.push(message([...dims, integer(2, type), text(8, label), nested(9, raw)]));
    return label;
  };
  return {
    node(operator, inputs, attributes = {}) {
      const output = `${operator.toLowerCase()}_${nodes.length}`;
      nodes.push(node(operator, inputs, output, attributes));
      return output;
    },
    floats(shape, data) {
      parameters += data.length;
      return weight(FLOAT, shape, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    },
    integers(values) {
      const data = BigInt64Array.from(values, BigInt);
      return weight(INT64, [values.length], new Uint8Array(data.buffer));
    },
    parameters: () => parameters,
    finish(input, output, result) {
      const last = node('Identity', [result], output.name, {});
      const graph = message([
        ...[...nodes, last].map((bytes) => nested(1, bytes)),
        text(2, name),
        ...weights.map((bytes) => nested(5, bytes)),
        nested(11, valueInfo(input)),
        nested(12, valueInfo(output)),
      ]);
      const opset = message([text(1, ''), integer(2, OPSET)]);
      return message([
        integer(1, IR_VERSION),
        text(2, 'ledge-bench'),
        nested(7, graph),
        nested(8, opset),
      ]);
    },
  };
}

function attribute(name: string, value: number | readonly number[] | { float: number }) {
  if (typeof value === 'number') {
    return message([text(1, name), integer(3, value), integer(20, ATTRIBUTE.integer)]);
  }
  if ('float' in value) {
    return message([text(1, name), float(2, value.float), integer(20, ATTRIBUTE.float)]);
  }
  const values = value.map((each) => integer(8, each));
  return message([text(1, name), ...values, integer(20, ATTRIBUTE.integers)]);
}

function valueInfo({ name, shape }: Port): Uint8Array {
  const free = nested(1, text(2, 'N'));
  const sizes = shape.map((size) => nested(1, integer(1, size)));
  const type = message([integer(1, FLOAT), nested(2, message([free, ...sizes]))]);
  return message([text(1, name), nested(2, nested(1, type))]);
}

function message(fields: readonly Uint8Array[]): Uint8Array {
  return concatenate(fields);
}

function integer(field: number, value: number): Uint8Array {
  return concatenate([tagOf(field, VARINT), varint(value)]);
}

function float(field: number, value: number): Uint8Array {
  const bytes = new Uint8Array(Float32Array.of(value).buffer);
  return concatenate([tagOf(field, FIXED32), bytes]);
}

function text(field: number, value: string): Uint8Array {
  return nested(field, new TextEncoder().encode(value));
}

function nested(field: number, payload: Uint8Array): Uint8Array {
  return concatenate([tagOf(field, DELIMITED), varint(payload.length), payload]);
}
