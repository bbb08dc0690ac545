import { intOf } from '../../onnx/edit-model.ts';
import { attributeOf } from '../../onnx/graph.ts';
import type { Node } from '../../onnx/proto.ts';
import { elementCount } from '../../tensor/tensor.ts';
import type { KnownTensor } from './tensors.ts';

/** What one call of a node has to do at least. */
export interface Work {
  /** Additions and multiplications, each counted; a function such as exp or erf counts once. */
  readonly operations: number;
  /** Bytes read and written, each value once. */
  readonly bytes: number;
  /** Of those, weights. */
  readonly weightBytes: number;
  /** Whether it multiplies 8-bit numbers. */
  readonly inBytes: boolean;
}

/** A node with what is known of its values; undefined where one is left out or not known. */
export interface WorkParts {
  readonly operator: string;
  readonly node: Node | undefined;
  readonly inputs: readonly (KnownTensor | undefined)[];
  readonly outputs: readonly (KnownTensor | undefined)[];
}

type Counting = (parts: WorkParts) => number;

/** The least work of a node, from the shapes of its values. */
export function workOf(parts: WorkParts): Work {
  const { operator } = parts;
  const count = Object.hasOwn(OPERATIONS, operator) ? OPERATIONS[operator] : undefined;
  const operations = count?.(parts) ?? 0;
  return { operations, ...bytesOf(parts), inBytes: IN_BYTES.has(operator) };
}

const sizeOf = (tensor: KnownTensor | undefined) => elementCount(tensor?.shape ?? [0]);
const outputSize: Counting = ({ outputs }) => sizeOf(outputs[0]);
const inputSize: Counting = ({ inputs }) => sizeOf(inputs[0]);

/** So many operations for each number that comes out. */
const perOutput =
  (times: number): Counting =>
  (parts) =>
    times * outputSize(parts);
const perInput =
  (times: number): Counting =>
  (parts) =>
    times * inputSize(parts);

/** Weights [out, in / group, ...kernel]: each output is a sum over all but the first axis. */
const convolution =
  (at: number): Counting =>
  (parts) =>
    2 * outputSize(parts) * elementCount(parts.inputs[at]?.shape.slice(1) ?? [0]);

/** Weights [in, out / group, ...kernel]: each input goes into all but the first axis. */
const transposedConvolution: Counting = (parts) =>
  2 * inputSize(parts) * elementCount(parts.inputs[1]?.shape.slice(1) ?? [0]);

const product: Counting = (parts) => {
  const shape = parts.inputs[0]?.shape ?? [];
  const flipped = parts.node !== undefined && intOf(parts.node, 'transA', 0) === 1;
  return 2 * outputSize(parts) * (shape.at(flipped ? -2 : -1) ?? 0);
};

const blockProduct: Counting = (parts) =>
  2 * outputSize(parts) * (parts.node === undefined ? 0 : intOf(parts.node, 'K', 0));

/** X [sequence, batch, inputs], R [directions, gates * hidden, hidden]; one product of each a step. */
const recurrent =
  (gates: number): Counting =>
  ({ node, inputs, outputs }) => {
    const [sequence = 0, batch = 0, width = 0] = inputs[0]?.shape ?? [];
    const hidden = node === undefined ? 0 : intOf(node, 'hidden_size', 0);
    const directions = inputs[1]?.shape[0] ?? outputs[0]?.shape[1] ?? 1;
    return 2 * sequence * batch * directions * gates * hidden * (width + hidden);
  };

/** onnxruntime's: X [batch, sequence, width], weights [width, 3 * hidden], a cache as output. */
const fusedAttention: Counting = ({ inputs, outputs }) => {
  const [batch = 0, sequence = 0, width = 0] = inputs[0]?.shape ?? [];
  const columns = inputs[1]?.shape.at(-1) ?? 0;
  const hidden = outputs[0]?.shape.at(-1) ?? 0;
  const keys = outputs[1]?.shape.at(-2) ?? sequence;
  return 2 * batch * sequence * width * columns + 4 * batch * sequence * keys * hidden;
};

/** Queries and keys apart: [batch, sequence, width], or [batch, heads, sequence, size]. */
const attention: Counting = ({ inputs, outputs }) => {
  const queries = inputs[0]?.shape ?? [];
  const keys = outputs[1]?.shape.at(-2) ?? inputs[1]?.shape.at(-2) ?? queries.at(-2) ?? 0;
  return 4 * elementCount(queries.length === 0 ? [0] : queries) * keys;
};

const pooling: Counting = (parts) => {
  const kernel = parts.node && attributeOf(parts.node, 'kernel_shape')?.ints.map(Number);
  return outputSize(parts) * elementCount(kernel ?? [1]);
};

const each = (names: string, counting: Counting) =>
  names.split(/\s+/).map((name) => [name, counting] as const);

const OPERATIONS: Readonly<Record<string, Counting>> = Object.fromEntries([
  ...each('Conv FusedConv ConvInteger NhwcFusedConv', convolution(1)),
  ...each('QLinearConv', convolution(3)),
  ...each('ConvTranspose', transposedConvolution),
  ...each(
    `MatMul FusedMatMul Gemm FusedGemm QGemm MatMulInteger MatMulInteger16 MatMulIntegerToFloat
    DynamicQuantizeMatMul QLinearMatMul TransposeMatMul`,
    product,
  ),
  ...each('MatMulNBits', blockProduct),
  ...each('LSTM DynamicQuantizeLSTM', recurrent(4)),
  ...each('GRU', recurrent(3)),
  ...each('RNN', recurrent(1)),
  ...each('Attention QAttention', (parts) =>
    parts.node?.domain === 'com.microsoft' ? fusedAttention(parts) : attention(parts),
  ),
  ...each('MultiHeadAttention GroupQueryAttention', attention),
  // Mean, difference, square, sum, root's product, scale and shift; skips add once more.
  ...each('LayerNormalization InstanceNormalization GroupNormalization', perOutput(7)),
  ...each('SkipLayerNormalization EmbedLayerNormalization', perOutput(9)),
  ...each('SimplifiedLayerNormalization RMSNormalization', perOutput(4)),
  ...each('SkipSimplifiedLayerNormalization', perOutput(5)),
  ...each('BatchNormalization', perOutput(2)),
  // Largest, difference, exp, sum, quotient.
  ...each('Softmax LogSoftmax', perOutput(5)),
  ...each('Gelu QuickGelu', perOutput(5)),
  ...each('BiasGelu', perOutput(6)),
  ...each('FastGelu', perOutput(8)),
  ...each('Sigmoid Tanh Softplus HardSigmoid HardSwish Mish Elu Selu Swish', perOutput(3)),
  ...each('DynamicQuantizeLinear', perInput(4)),
  ...each('QuantizeLinear DequantizeLinear QLinearAdd QLinearMul QLinearSigmoid', perOutput(2)),
  ...each(
    `ReduceMean ReduceSum ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceSumSquare
    ReduceLogSum ReduceLogSumExp GlobalAveragePool GlobalMaxPool ArgMax ArgMin CumSum
    QLinearGlobalAveragePool QLinearReduceMean LpNormalization`,
    perInput(1),
  ),
  ...each('MaxPool AveragePool LpPool QLinearAveragePool', pooling),
  ...each(
    `Add Sub Mul Div Pow Min Max Mod Sum Mean Neg Abs Sqrt Exp Log Erf Sin Cos Tan Atan Reciprocal
    Floor Ceil Round Sign Relu LeakyRelu PRelu Clip Where Equal Less Greater LessOrEqual
    GreaterOrEqual And Or Xor Not BitShift IsNaN IsInf`,
    perOutput(1),
  ),
]);

/** They multiply 8-bit numbers, for which the processor may have instructions of its own. */
const IN_BYTES = new Set(
  `MatMulInteger MatMulIntegerToFloat DynamicQuantizeMatMul QLinearMatMul QLinearConv ConvInteger
  QGemm QAttention DynamicQuantizeLSTM QLinearAdd QLinearMul`.split(/\s+/),
);

/** They give the same numbers under another shape. */
export const VIEWS = new Set(['Reshape', 'Squeeze', 'Unsqueeze', 'Flatten', 'Identity']);
/** Of what they read first, they read as much as comes out. */
const SELECTING = new Set(
  'Gather GatherND GatherElements GatherBlockQuantized Slice Split EmbedLayerNormalization'.split(
    ' ',
  ),
);
/** They look at shapes, or at the graphs inside them, which count for themselves. */
const LOOKING = new Set(['Shape', 'Size', 'If', 'Loop', 'Scan']);

function bytesOf({ operator, inputs, outputs }: WorkParts): { bytes: number; weightBytes: number } {
  if (VIEWS.has(operator)) return { bytes: 0, weightBytes: 0 };
  const written = outputs.reduce((sum, one) => sum + (one?.bytes ?? 0), 0);
  if (LOOKING.has(operator)) return { bytes: written, weightBytes: 0 };
  let read = 0;
  let weightBytes = 0;
  for (const one of inputs) {
    if (one === undefined) continue;
    // Quantised tables hold fewer bytes than come out of them.
    const bytes = SELECTING.has(operator) ? Math.min(one.bytes, written) : one.bytes;
    read += bytes;
    if (one.kind === 'weight') weightBytes += bytes;
  }
  return { bytes: read + written, weightBytes };
}
