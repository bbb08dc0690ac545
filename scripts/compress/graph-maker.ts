import { type AttributeValue, createNode } from '../../src/onnx/build.ts';
import { recordOfTensor } from '../../src/onnx/constant.ts';
import { elementTypeCode } from '../../src/onnx/element-type.ts';
import type { Model, Node, TensorRecord, ValueInfo } from '../../src/onnx/proto.ts';

const IR_VERSION = 8n;
const OPSET = 17n;
const NONE = { unknown: [] } as const;

/** A dimension of an input or output: a size, or the symbol of a free one. */
export type Dim = number | string;

/** A graph under construction; nodes run in the order in which they are added. */
export interface GraphMaker {
  /** Adds an operator with one output, or with the named ones, and gives the first one's name. */
  node(operator: string, inputs: readonly string[], options?: NodeOptions): string;
  /** Adds constant floats and gives their name. */
  floats(name: string, shape: readonly number[], data: Float32Array): string;
  /** One constant float; the same one for the same number. */
  float(value: number): string;
  /** Constant integers in one dimension; the same ones for the same numbers. */
  integers(...values: readonly number[]): string;
  /** One constant integer without dimensions. */
  integer(value: number): string;
  input(name: string, type: 'float32' | 'int64', dims: readonly Dim[]): string;
  output(name: string, type: 'float32' | 'int64', dims: readonly Dim[]): void;
  /** All constant floats so far. */
  parameters(): number;
  finish(name: string): Model;
}

export interface NodeOptions {
  /** Where the outputs have names of their own. */
  readonly outputs?: readonly string[];
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
}

/** Builds a model of ONNX's own operators, version 17, through the project's own writer. */
export function createGraphMaker(): GraphMaker {
  const nodes: Node[] = [];
  const constants = new Map<string, TensorRecord>();
  const inputs: ValueInfo[] = [];
  const outputs: ValueInfo[] = [];
  let parameters = 0;
  const integers = (name: string, shape: readonly number[], values: readonly number[]): string => {
    const data = BigInt64Array.from(values, BigInt);
    constants.set(name, recordOfTensor(name, { kind: 'tensor', type: 'int64', shape, data }));
    return name;
  };
  const floats = (name: string, shape: readonly number[], data: Float32Array): string => {
    constants.set(name, recordOfTensor(name, { kind: 'tensor', type: 'float32', shape, data }));
    return name;
  };
  return {
    node(operator, given, options = {}) {
      const { outputs: names = [`${operator.toLowerCase()}_${nodes.length}`], ...rest } = options;
      const name = names[0] ?? '';
      nodes.push(createNode({ operator, inputs: given, outputs: names, name, ...rest }));
      return name;
    },
    floats(name, shape, data) {
      parameters += data.length;
      return floats(name, shape, data);
    },
    float: (value) => floats(`float_${value}`, [], Float32Array.of(value)),
    integers: (...values) => integers(`ints_${values.join('_')}`, [values.length], values),
    integer: (value) => integers(`int_${value}`, [], [value]),
    input(name, type, dims) {
      inputs.push(info(name, type, dims));
      return name;
    },
    output: (name, type, dims) => void outputs.push(info(name, type, dims)),
    parameters: () => parameters,
    finish: (name) => ({
      ...NONE,
      irVersion: IR_VERSION,
      producerName: 'ledge',
      opsetImports: [{ ...NONE, version: OPSET }],
      metadata: [],
      functions: [],
      graph: {
        ...NONE,
        name,
        nodes,
        initializers: [...constants.values()],
        sparseInitializers: [],
        inputs,
        outputs,
        valueInfos: [],
      },
    }),
  };
}

function info(name: string, type: string, sizes: readonly Dim[]): ValueInfo {
  const dims = sizes.map((size) =>
    typeof size === 'number' ? { ...NONE, size: BigInt(size) } : { ...NONE, symbol: size },
  );
  const tensor = { ...NONE, elementType: elementTypeCode(type), shape: { ...NONE, dims } };
  return { ...NONE, name, type: { ...NONE, tensor } };
}
