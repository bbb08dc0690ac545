import { tensorOfRecord } from '../../onnx/constant.ts';
import { intOf } from '../../onnx/edit-model.ts';
import { attributeOf } from '../../onnx/graph.ts';
import type { GraphEditor } from '../../onnx/graph-editor.ts';
import { placeOf } from '../../onnx/names.ts';
import type { Node } from '../../onnx/proto.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { asFloat32, likeFloat } from '../kernels.ts';
import type { Tally } from '../pass.ts';

/** ONNX's own epsilon where a node names none. */
const EPSILON = 1e-5;

/** What a normalisation does to each channel: y = x * factor + offset. */
interface PerChannel {
  readonly factor: Float64Array;
  readonly offset: Float64Array;
}

/**
 * Folds each BatchNormalization (in inference) into the Conv, ConvTranspose or Gemm before it, whose
 * only reader it is. The same function up to rounding. Gives how many.
 */
export function foldBatchNorms(editor: GraphEditor, tally: Tally): number {
  let folded = 0;
  for (const norm of editor.nodes()) {
    if (norm.operator !== 'BatchNormalization') continue;
    const before = editor.makerOf(norm.inputs[0] ?? '');
    const reason = foldOne(before, norm, editor);
    if (reason !== undefined) continue;
    folded += 1;
    tally.did(`batch normalisation folded into ${before?.operator}`);
  }
  for (const norm of folded > 0 ? [] : editor.nodes()) {
    if (norm.operator === 'BatchNormalization') {
      tally.left(placeOf(norm), 'no Conv or Gemm of its own with constant weights before it');
    }
  }
  return folded;
}

function foldOne(before: Node | undefined, norm: Node, editor: GraphEditor): 'left' | undefined {
  const between = norm.inputs[0] ?? '';
  const [output = ''] = norm.outputs;
  if (before === undefined || editor.onlyReaderOf(between) !== norm) return 'left';
  if (norm.outputs.slice(1).some((name) => name !== '')) return 'left';
  const channels = channelsOf(norm, editor);
  const layer = layerOf(before, editor);
  if (channels === undefined || layer === undefined) return 'left';
  if (layer.count !== channels.factor.length) return 'left';
  const values = layer.values.map((value, at) => value * channels.factor[layer.channelOf(at)]!);
  const bias = channels.offset.map(
    (offset, at) => offset + (layer.bias?.[at] ?? 0) * channels.factor[at]!,
  );
  const type = layer.weights.type;
  const wanted = before.inputs[1] ?? 'weights';
  const weights = editor.addConstant(wanted, likeFloat(type, layer.weights.shape, values));
  const offsets = likeFloat(type, [layer.count], Float32Array.from(bias));
  const biasName = editor.addConstant(`${wanted}_bias`, offsets);
  const inputs = [before.inputs[0] ?? '', weights, biasName];
  editor.remove(norm);
  editor.replace(before, { ...before, inputs, outputs: [output] });
  return undefined;
}

function channelsOf(norm: Node, editor: GraphEditor): PerChannel | undefined {
  if (intOf(norm, 'training_mode', 0) !== 0 || intOf(norm, 'spatial', 1) !== 1) return undefined;
  const [scale, shift, mean, variance] = norm.inputs
    .slice(1, 5)
    .map((name) => floats(name, editor));
  if (scale === undefined || shift === undefined) return undefined;
  if (mean === undefined || variance === undefined) return undefined;
  const epsilon = attributeOf(norm, 'epsilon')?.float ?? EPSILON;
  const factor = Float64Array.from(scale, (one, at) => one / Math.sqrt(variance[at]! + epsilon));
  const offset = Float64Array.from(shift, (one, at) => one - mean[at]! * factor[at]!);
  return { factor, offset };
}

interface Layer {
  readonly weights: Tensor;
  readonly values: Float32Array;
  readonly bias: Float32Array | undefined;
  /** Output channels, and the one that a weight belongs to. */
  readonly count: number;
  readonly channelOf: (at: number) => number;
}

function layerOf(node: Node, editor: GraphEditor): Layer | undefined {
  const record = editor.constantOf(node.inputs[1] ?? '');
  const weights = record && tensorOfRecord(record);
  const values = weights && asFloat32(weights);
  if (weights === undefined || values === undefined) return undefined;
  const biasName = node.inputs[2] ?? '';
  const bias = biasName === '' ? undefined : floats(biasName, editor);
  if (biasName !== '' && bias === undefined) return undefined;
  const shape = weights.shape;
  const [first = 1, second = 1] = shape;
  if (node.operator === 'Conv') {
    const inner = values.length / first;
    return { weights, values, bias, count: first, channelOf: (at) => Math.floor(at / inner) };
  }
  if (node.operator === 'ConvTranspose' && intOf(node, 'group', 1) === 1) {
    const inner = values.length / (first * second);
    const channelOf = (at: number) => Math.floor(at / inner) % second;
    return { weights, values, bias, count: second, channelOf };
  }
  if (node.operator !== 'Gemm' || !isPlainGemm(node)) return undefined;
  const rows = intOf(node, 'transB', 0) === 1;
  const count = rows ? first : second;
  if (bias !== undefined && bias.length !== count) return undefined;
  const channelOf = (at: number) => (rows ? Math.floor(at / second) : at % second);
  return { weights, values, bias, count, channelOf };
}

/** Whether a Gemm is x W + b, without factors of its own. */
export function isPlainGemm(node: Node): boolean {
  const alpha = attributeOf(node, 'alpha')?.float ?? 1;
  const beta = attributeOf(node, 'beta')?.float ?? 1;
  return alpha === 1 && beta === 1 && intOf(node, 'transA', 0) === 0;
}

function floats(name: string, editor: GraphEditor): Float32Array | undefined {
  const record = editor.constantOf(name);
  const tensor = record && tensorOfRecord(record);
  return tensor && asFloat32(tensor);
}
