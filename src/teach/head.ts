import { createNode, createValueInfo } from '../onnx/build.ts';
import { editGraphs, intOf, opsetOf } from '../onnx/edit-model.ts';
import { elementTypeOf } from '../onnx/element-type.ts';
import type { GraphEditor } from '../onnx/graph-editor.ts';
import { placeOf } from '../onnx/names.ts';
import { renameReads } from '../onnx/names-within.ts';
import type { Graph, Model, Node, ValueInfo } from '../onnx/proto.ts';
import { domainOf } from '../onnx/summary.ts';
import { LedgeError } from '../std/error.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** The output that a model with features gives beside its own scores. */
export const FEATURES = 'ledge_features';

/** What stands between the last layer and the scores of real models; more is a graph that goes round. */
const STEPS_MAX = 32;
/** Operators that keep a score in its place, or put the scores of several nets together. */
const PASSED = new Set([
  ...['Identity', 'Dropout', 'Cast', 'Relu', 'Clip', 'QuantizeLinear', 'DequantizeLinear'],
  ...['Reshape', 'Flatten', 'Squeeze', 'GlobalAveragePool', 'ReduceMean'],
  ...['Add', 'Sum', 'Mean', 'Mul', 'Div', 'Log', 'Softmax', 'LogSoftmax'],
]);
const LAYERS = new Set(['Gemm', 'MatMul', 'Conv']);
/** From here on ReduceLogSumExp takes its axes as an input. */
const AXES_AS_INPUT_OPSET = 18;

/** What a last layer reads: [N, size], or [N, size, ...] before a convolution. */
export interface LastLayer {
  readonly features: string;
  readonly spatial: boolean;
  readonly size: number;
}

/** Where a classifier ends: what its last layer reads, and the scores that come of it. */
export interface Head {
  /** The output with one score for each label, [N, labels]. */
  readonly output: string;
  /** That value, or what a Softmax at the end reads. */
  readonly logits: string;
  /** One, or that of each net whose scores are put together. */
  readonly layers: readonly LastLayer[];
  /** Features of all of them. */
  readonly size: number;
}

/** One label more: score = log(sum of exp of the known ones) + weights * features + bias. */
export interface TaughtRow {
  readonly weights: Float64Array; // [size]
  readonly bias: number;
}

/**
 * Finds the last layer of the output that has one score a label. Throws `unsupported`, naming the node
 * that is in the way.
 */
export function findHead(model: Model, labels: number): Head {
  let head: Head | undefined;
  editGraphs(model, (editor) => {
    const output = model.graph && scoresOf(model.graph, labels);
    if (output === undefined) throw unsupported(`none of its outputs is float32 [N, ${labels}]`);
    if (editor.isOutput(output)) head = walkBack(editor, output);
  });
  if (head === undefined) throw unsupported('it has no graph');
  return head;
}

/** The model with its scores and, beside them, the features, and nothing else. */
export function withFeatures(model: Model, head: Head): Model {
  const edited = editMain(model, head, (editor) => {
    const pooled = pool(editor, head);
    const node = { operator: 'Identity', inputs: [pooled], outputs: [FEATURES] };
    editor.add(createNode(node));
  });
  const graph = edited.graph as Graph;
  const scores = graph.outputs.filter(({ name }) => name === head.output);
  const features = createValueInfo(FEATURES, 'float32', [-1, head.size]);
  const outputs = [...scores, features];
  // What only other outputs needed goes, and costs no time.
  return editMain({ ...edited, graph: { ...graph, outputs } }, head, (editor) => {
    editor.sweep();
  });
}

/**
 * The model with further labels after its own. A softmax over all scores gives each new label
 * sigmoid(weights * features + bias) where it is alone, and leaves the known ones their proportions.
 */
export function withTaughtRows(model: Model, head: Head, rows: readonly TaughtRow[]): Model {
  const opset = opsetOf(model);
  const edited = editMain(model, head, (editor) => addRows(editor, head, { rows, opset }));
  const graph = edited.graph as Graph;
  const outputs = graph.outputs.map((one) =>
    one.name === head.output ? widened(one, rows.length) : one,
  );
  return { ...edited, graph: { ...graph, outputs } };
}

function addRows(
  editor: GraphEditor,
  head: Head,
  { rows, opset }: { readonly rows: readonly TaughtRow[]; readonly opset: number },
): void {
  const features = pool(editor, head);
  const known = editor.freshName('ledge_known');
  renameValue(editor, head.logits, known);
  const flat = rows.flatMap(({ weights }) => [...weights]);
  const weights = editor.addConstant('ledge_taught_weights', {
    kind: 'tensor',
    type: 'float32',
    shape: [rows.length, head.size],
    data: Float32Array.from(flat),
  });
  const biases = editor.addConstant(
    'ledge_taught_bias',
    vector(Float32Array.from(rows, ({ bias }) => bias)),
  );
  const own = editor.freshName('ledge_taught_margin');
  const sum = editor.freshName('ledge_known_sum');
  const taught = editor.freshName('ledge_taught');
  const inputs = [features, weights, biases];
  const gemm = { operator: 'Gemm', inputs, outputs: [own], attributes: { transB: 1n } };
  editor.add(
    createNode(gemm),
    sumNode(editor, { from: known, to: sum, opset }),
    createNode({ operator: 'Add', inputs: [own, sum], outputs: [taught] }),
    createNode({
      operator: 'Concat',
      inputs: [known, taught],
      outputs: [head.logits],
      attributes: { axis: 1n },
    }),
  );
}

function sumNode(
  editor: GraphEditor,
  { from, to, opset }: { readonly from: string; readonly to: string; readonly opset: number },
): Node {
  const axes = BigInt64Array.of(1n);
  const given =
    opset >= AXES_AS_INPUT_OPSET
      ? { inputs: [from, editor.addConstant('ledge_axis', vector(axes))], attributes: {} }
      : { inputs: [from], attributes: { axes: [...axes] } };
  const attributes = { ...given.attributes, keepdims: 1n };
  return createNode({
    operator: 'ReduceLogSumExp',
    inputs: given.inputs,
    outputs: [to],
    attributes,
  });
}

function vector(data: Float32Array | BigInt64Array): Tensor {
  const type = data instanceof Float32Array ? 'float32' : 'int64';
  return { kind: 'tensor', type, shape: [data.length], data };
}

/** The features as [N, size], those of several nets side by side. */
function pool(editor: GraphEditor, { layers }: Head): string {
  const parts = layers.map((layer) => poolOne(editor, layer));
  const [only] = parts;
  if (only !== undefined && parts.length === 1) return only;
  const joined = editor.freshName('ledge_joined');
  const attributes = { axis: 1n };
  editor.add(createNode({ operator: 'Concat', inputs: parts, outputs: [joined], attributes }));
  return joined;
}

/** A convolution's features are averaged over their places. */
function poolOne(editor: GraphEditor, { features, spatial }: LastLayer): string {
  if (!spatial) return features;
  const pooled = editor.freshName('ledge_pooled');
  const flat = editor.freshName('ledge_flat');
  editor.add(
    createNode({ operator: 'GlobalAveragePool', inputs: [features], outputs: [pooled] }),
    createNode({
      operator: 'Flatten',
      inputs: [pooled],
      outputs: [flat],
      attributes: { axis: 1n },
    }),
  );
  return flat;
}

/** Gives a value another name, with all that read it but what is added later. */
function renameValue(editor: GraphEditor, from: string, to: string): void {
  const maker = editor.makerOf(from);
  if (maker === undefined) throw unsupported(`nothing makes "${from}"`);
  const soft = editor
    .readersOf(from)
    .filter((node) => node.operator === 'Softmax' || node.operator === 'LogSoftmax');
  for (const reader of editor.readersOf(from)) {
    if (!soft.includes(reader)) editor.replace(reader, renameReads(reader, from, to));
  }
  const outputs = maker.outputs.map((name) => (name === from ? to : name));
  editor.replace(maker, { ...maker, outputs });
}

/** The one output of a classifier: float32, two axes, as many scores as labels. */
function scoresOf({ outputs }: Graph, labels: number): string | undefined {
  return outputs.find(({ type }) => {
    const dims = type?.tensor?.shape?.dims;
    const float = elementTypeOf(type?.tensor?.elementType)?.dataType === 'float32';
    return float && dims?.length === 2 && Number(dims[1]?.size ?? -1n) === labels;
  })?.name;
}

function walkBack(editor: GraphEditor, output: string): Head {
  const layers: LastLayer[] = [];
  const waiting = [output];
  for (let step = 0; waiting.length > 0; step += 1) {
    const name = waiting.pop() ?? '';
    const node = editor.makerOf(name);
    if (node === undefined) throw unsupported(`nothing makes "${name}"`);
    const operator = domainOf(node.domain) === '' ? (node.operator ?? '') : '';
    if (LAYERS.has(operator)) layers.unshift(lastLayer(editor, node));
    else if (!PASSED.has(operator) || step >= STEPS_MAX) {
      throw unsupported(`${placeOf(node)} (${node.operator}) stands before its scores`);
    } else {
      waiting.push(...node.inputs.filter((one) => editor.constantOf(one) === undefined));
    }
  }
  const size = layers.reduce((sum, layer) => sum + layer.size, 0);
  return { output, logits: logitsOf(editor, output), layers, size };
}

/** Scores are odds before a softmax that ends the model; elsewhere the output is taken as such. */
function logitsOf(editor: GraphEditor, output: string): string {
  const node = editor.makerOf(output);
  const soft = node?.operator === 'Softmax' || node?.operator === 'LogSoftmax';
  return (soft ? node?.inputs[0] : undefined) ?? output;
}

function lastLayer(editor: GraphEditor, node: Node): LastLayer {
  const [features = '', weights = ''] = node.inputs;
  const source = editor.makerOf(weights);
  // Weights of 8 or 16 bits are made floats first.
  const made = source?.operator === 'DequantizeLinear' || source?.operator === 'Cast';
  const dims = editor
    .constantOf((made ? source?.inputs[0] : undefined) ?? weights)
    ?.dims.map(Number);
  if (dims === undefined) throw unsupported(`${placeOf(node)} has no constant weights`);
  const spatial = node.operator === 'Conv';
  if (spatial && intOf(node, 'group', 1) !== 1) throw unsupported(`${placeOf(node)} has groups`);
  if (node.operator === 'Gemm' && intOf(node, 'transA', 0) === 1) {
    throw unsupported(`${placeOf(node)} turns its input`);
  }
  const outputsFirst = spatial || intOf(node, 'transB', 0) === 1;
  const size = (outputsFirst ? dims[1] : dims[0]) ?? 0;
  return { features, spatial, size };
}

/** Changes the graph that has the head; subgraphs are left alone. */
function editMain(model: Model, head: Head, change: (editor: GraphEditor) => void): Model {
  return editGraphs(model, (editor) => {
    if (editor.isOutput(head.output)) change(editor);
  });
}

function widened(value: ValueInfo, by: number): ValueInfo {
  const tensor = value.type?.tensor;
  const [batch, labels] = tensor?.shape?.dims ?? [];
  if (value.type === undefined || tensor?.shape === undefined) return value;
  if (batch === undefined || labels === undefined) return value;
  const dims = [batch, { ...labels, size: (labels.size ?? 0n) + BigInt(by) }];
  const shape = { ...tensor.shape, dims };
  return { ...value, type: { ...value.type, tensor: { ...tensor, shape } } };
}

function unsupported(state: string): LedgeError {
  return new LedgeError('unsupported', `Cannot teach the model: ${state}`);
}
