import { FREE, type NamedTensorSpec } from '../tensor/tensor.ts';
import { elementTypeOf } from './element-type.ts';
import { decodeMessage, encodeMessage, type Originals } from './message.ts';
import type { Attribute, Graph, Model, Node, TensorRecord, ValueInfo } from './proto.ts';
import { MODEL } from './proto.ts';

/** How much of a model file is read before it is refused. */
export interface OnnxLimits {
  readonly fileBytesMax: number;
  /** Fields of all messages together. */
  readonly fieldsMax: number;
  readonly messagesMax: number;
  /** How deep messages nest; a graph within a graph is three of them. */
  readonly depthMax: number;
  /** Nodes of the model, subgraphs and functions included. */
  readonly nodesMax: number;
  /** Bytes of one tensor, of a constant or of an input or output whose shape is known. */
  readonly tensorBytesMax: number;
}

export const ONNX_LIMITS: OnnxLimits = {
  // Half of what protobuf can hold; a model of this size leaves nothing of a Jetson Nano's memory.
  fileBytesMax: 1_073_741_824,
  // A forest of 10,000 trees lists about two million numbers, each a field.
  fieldsMax: 4_000_000,
  // A model of 20,000 nodes has about 200,000; each costs a few hundred bytes while it is checked.
  messagesMax: 500_000,
  // protobuf's own limit, which onnxruntime keeps.
  depthMax: 100,
  // The largest published edge models have about 5,000.
  nodesMax: 50_000,
  // As the file: weights beside the model are held to the same.
  tensorBytesMax: 1_073_741_824,
};

/**
 * Parses a model file; its weights stay views on `bytes`. With `originals`, the bytes of every message
 * are noted there for `encodeModel`. Throws `model-invalid`.
 */
export function parseModel(
  bytes: Uint8Array,
  limits: OnnxLimits = ONNX_LIMITS,
  originals?: Originals,
): Model {
  return decodeMessage(MODEL, bytes, {
    fields: limits.fieldsMax,
    messages: limits.messagesMax,
    depth: limits.depthMax,
    ...(originals && { originals }),
  });
}

/** The bytes of a model file. With `originals`, what was not replaced comes out as it went in. */
export function encodeModel(model: Model, originals?: Originals): Uint8Array {
  return encodeMessage(MODEL, model, originals);
}

/** A node's attribute by its name. */
export function attributeOf(node: Node, name: string): Attribute | undefined {
  return node.attributes.find((attribute) => attribute.name === name);
}

/** The graphs that a node runs: the branches of an If, the body of a Loop or Scan. */
export function subgraphsOf(node: Node): readonly Graph[] {
  return node.attributes.flatMap((attribute) =>
    attribute.graph === undefined ? attribute.graphs : [attribute.graph, ...attribute.graphs],
  );
}

/** Every node, those of its subgraphs after it. */
export function* nodesOf(nodes: readonly Node[]): Generator<Node> {
  for (const node of nodes) {
    yield node;
    for (const graph of subgraphsOf(node)) yield* nodesOf(graph.nodes);
  }
}

/** Every node of a model: of its graph, then of the functions it defines. */
export function* allNodes(model: Model): Generator<Node> {
  yield* nodesOf(model.graph?.nodes ?? []);
  for (const one of model.functions) yield* nodesOf(one.nodes);
}

/** Every constant: initialisers, then attributes of nodes, subgraphs included. */
export function* constantsOf(model: Model): Generator<TensorRecord> {
  if (model.graph !== undefined) yield* initializersOf(model.graph);
  for (const node of allNodes(model)) {
    for (const attribute of node.attributes) {
      if (attribute.tensor !== undefined) yield attribute.tensor;
      yield* attribute.tensors;
      for (const sparse of [attribute.sparseTensor, ...attribute.sparseTensors]) {
        yield* [sparse?.values, sparse?.indices].filter((part) => part !== undefined);
      }
    }
    for (const graph of subgraphsOf(node)) yield* initializersOf(graph);
  }
}

function* initializersOf(graph: Graph): Generator<TensorRecord> {
  yield* graph.initializers;
  for (const { values, indices } of graph.sparseInitializers) {
    if (values !== undefined) yield values;
    if (indices !== undefined) yield indices;
  }
}

/** The inputs that a caller must give: those without an initialiser of the same name. */
export function requiredInputs(graph: Graph): readonly ValueInfo[] {
  const given = new Set(graph.initializers.map(({ name }) => name));
  for (const { values } of graph.sparseInitializers) given.add(values?.name);
  return graph.inputs.filter(({ name }) => !given.has(name));
}

/** A tensor's name, type and shape; undefined where Ledge has no such type or no rank is known. */
export function specOf(value: ValueInfo): NamedTensorSpec | undefined {
  const tensor = value.type?.tensor;
  const type = elementTypeOf(tensor?.elementType)?.dataType;
  if (type === undefined || tensor?.shape === undefined) return undefined;
  const shape = tensor.shape.dims.map(({ size }) =>
    // Old exporters write a free dimension as a negative size, and onnxruntime reads it so.
    size === undefined || size < 0n ? FREE : Number(size),
  );
  return { name: value.name ?? '', type, shape };
}

/** The number of elements of a constant; undefined where a dimension is negative or the product absurd. */
export function elementsOf(tensor: TensorRecord): number | undefined {
  let count = 1n;
  for (const size of tensor.dims) {
    if (size < 0n) return undefined;
    count *= size;
    if (count > BigInt(Number.MAX_SAFE_INTEGER)) return undefined;
  }
  return Number(count);
}

/** Bytes of a constant's numbers in memory; undefined for strings and where they cannot be told. */
export function tensorBytes(tensor: TensorRecord): number | undefined {
  const bits = elementTypeOf(tensor.dataType)?.bits;
  const elements = elementsOf(tensor);
  return bits === undefined || elements === undefined
    ? undefined
    : Math.ceil((elements * bits) / 8);
}
