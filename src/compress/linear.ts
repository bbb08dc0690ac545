import { intOf } from '../onnx/edit-model.ts';
import type { GraphEditor } from '../onnx/graph-editor.ts';
import { placeOf } from '../onnx/names.ts';
import type { Node } from '../onnx/proto.ts';
import { domainOf } from '../onnx/summary.ts';
import { transpose } from './kernels.ts';
import { makerIs, tensorNamed, withConstant } from './match.ts';
import type { Tally } from './pass.ts';
import { isPlainGemm } from './passes/fold-batch-norm.ts';

/** A layer y = x W + b whose weights are a constant, however it is written. */
export interface Linear {
  readonly place: string;
  readonly x: string;
  /** The constant as the file holds it, and whether that is [outputs, inputs]. */
  readonly weightsName: string;
  readonly outputsFirst: boolean;
  /** Numbers of the weights in that order. */
  readonly weights: Float32Array;
  readonly inputs: number;
  readonly outputs: number;
  /** A vector of as many numbers as there are outputs. */
  readonly bias: string | undefined;
  readonly y: string;
  /** What a replacement takes away; the last of them makes `y`. */
  readonly nodes: readonly Node[];
}

export interface LinearOptions {
  readonly tally: Tally;
  /** Nodes to leave, by their name or their weights'; `*` stands for any text. */
  readonly exclude: readonly string[];
  /** Nodes to take, named the same way; all where there are none. */
  readonly only: readonly string[];
  /** Weights of fewer numbers are left: they cost nothing. */
  readonly elementsMin: number;
}

/** Every MatMul and Gemm of a graph with a float32 matrix as a constant. What is left is told. */
export function* linearsOf(editor: GraphEditor, options: LinearOptions): Generator<Linear> {
  const excluded = createNames(options.exclude);
  const wanted = options.only.length === 0 ? () => true : createNames(options.only);
  for (const node of editor.nodes()) {
    const known = node.operator === 'MatMul' || node.operator === 'Gemm';
    if (!known || domainOf(node.domain) !== '') continue;
    const place = placeOf(node);
    const linear = node.operator === 'MatMul' ? ofMatMul(editor, node) : ofGemm(editor, node);
    if (linear === undefined)
      options.tally.left(place, `${node.operator} without a constant float32 matrix`);
    else if (
      excluded(place) ||
      excluded(linear.weightsName) ||
      !(wanted(place) || wanted(linear.weightsName))
    ) {
      options.tally.left(place, 'excluded by the recipe');
    } else if (linear.weights.length < options.elementsMin) {
      options.tally.left(
        place,
        `${linear.weights.length} weights, fewer than ${options.elementsMin}`,
      );
    } else yield linear;
  }
}

/** Whether a name is one of these, in which `*` stands for any text. */
function createNames(patterns: readonly string[]): (name: string) => boolean {
  const exact = new Set(patterns);
  const open = patterns
    .filter((pattern) => pattern.includes('*'))
    .map((pattern) => pattern.split('*').map((part) => part.replace(/[^\w]/g, '\\$&')))
    .map((parts) => new RegExp(`^${parts.join('.*')}$`, 's'));
  return (name) => exact.has(name) || open.some((pattern) => pattern.test(name));
}

/** The weights as [inputs, outputs], row-major. */
export function inputsFirst(linear: Linear): Float32Array {
  return linear.outputsFirst
    ? turned(linear.weights, linear.outputs, linear.inputs)
    : linear.weights;
}

/** The weights as [outputs, inputs], row-major. */
export function outputsFirst(linear: Linear): Float32Array {
  return linear.outputsFirst
    ? linear.weights
    : turned(linear.weights, linear.inputs, linear.outputs);
}

function turned(data: Float32Array, rows: number, columns: number): Float32Array {
  const moved = transpose(
    { kind: 'tensor', type: 'float32', shape: [rows, columns], data },
    [1, 0],
  );
  return moved?.data as Float32Array;
}

function ofMatMul(editor: GraphEditor, node: Node): Linear | undefined {
  const [x = '', name = ''] = node.inputs;
  if (editor.constantOf(x) !== undefined) return undefined;
  // An embedding that is also the head stands [token, channel] and is turned first.
  const turn =
    editor.constantOf(name) === undefined ? makerIs(editor, name, 'Transpose') : undefined;
  const order = turn?.attributes.find((one) => one.name === 'perm')?.ints.map(Number);
  if (turn !== undefined && order !== undefined && order.join() !== '1,0') return undefined;
  const weightsName = turn?.inputs[0] ?? name;
  const matrix = matrixNamed(editor, weightsName);
  if (matrix === undefined) return undefined;
  const outputs = turn ? matrix.rows : matrix.columns;
  const inputs = turn ? matrix.columns : matrix.rows;
  const y = node.outputs[0] ?? '';
  const add = addAfter(editor, y, outputs);
  return {
    place: placeOf(node),
    x,
    weightsName,
    outputsFirst: turn !== undefined,
    weights: matrix.data,
    inputs,
    outputs,
    bias: add?.bias,
    y: add?.node.outputs[0] ?? y,
    nodes: add === undefined ? [node] : [node, add.node],
  };
}

function ofGemm(editor: GraphEditor, node: Node): Linear | undefined {
  const [x = '', weightsName = '', bias = ''] = node.inputs;
  const matrix = matrixNamed(editor, weightsName);
  if (matrix === undefined || !isPlainGemm(node) || editor.constantOf(x) !== undefined)
    return undefined;
  const outputsFirst = intOf(node, 'transB', 0) === 1;
  const outputs = outputsFirst ? matrix.rows : matrix.columns;
  const inputs = outputsFirst ? matrix.columns : matrix.rows;
  if (bias !== '' && !isVector(editor, bias, outputs)) return undefined;
  return {
    place: placeOf(node),
    x,
    weightsName,
    outputsFirst,
    weights: matrix.data,
    inputs,
    outputs,
    bias: bias === '' ? undefined : bias,
    y: node.outputs[0] ?? '',
    nodes: [node],
  };
}

function matrixNamed(editor: GraphEditor, name: string) {
  const tensor = tensorNamed(editor, name);
  if (tensor?.shape.length !== 2 || !(tensor.data instanceof Float32Array)) return undefined;
  const [rows = 0, columns = 0] = tensor.shape;
  return { data: tensor.data, rows, columns };
}

/** An Add of a vector that is the only reader of a product. */
function addAfter(editor: GraphEditor, y: string, outputs: number) {
  const reader = editor.onlyReaderOf(y);
  const node = reader && makerIs(editor, reader.outputs[0], 'Add');
  const parts = withConstant(editor, node);
  if (node === undefined || parts === undefined || parts.value !== y) return undefined;
  return isVector(editor, parts.name, outputs) ? { node, bias: parts.name } : undefined;
}

function isVector(editor: GraphEditor, name: string, length: number): boolean {
  const tensor = tensorNamed(editor, name);
  return tensor?.type === 'float32' && tensor.shape.length === 1 && tensor.shape[0] === length;
}
