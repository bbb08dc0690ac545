import { intOf } from '../../onnx/edit-model.ts';
import type { Node } from '../../onnx/proto.ts';
import { countOf, isSame } from './extent.ts';
import type { Rule, Rules } from './rules.ts';
import type { Axes, Axis, Walk } from './walk.ts';

const UNARY = `Identity Relu Gelu QuickGelu Sigmoid Tanh Erf Sqrt Exp Log Neg Abs Cast Dropout
  Clip LeakyRelu Elu Selu Celu HardSigmoid HardSwish Softplus Softsign Mish ThresholdedRelu Not
  Floor Ceil Round Sign Reciprocal Sin Cos IsNaN IsInf CastLike`.split(/\s+/);
const BINARY = `Add Sub Mul Div Pow Min Max Sum Mean Mod Where PRelu Equal Less Greater LessOrEqual
  GreaterOrEqual And Or Xor BiasGelu FastGelu`.split(/\s+/);

/** Operators that work on each number alone, or on those that stand in the same place. */
export const SPREAD: Rules = new Map<string, Rule>([
  ...UNARY.map((name) => [name, unary] as const),
  ...BINARY.map((name) => [name, elementwise] as const),
  ['Softmax', softmax],
  ['LogSoftmax', softmax],
  ['Hardmax', softmax],
  ['BatchNormalization', (node, walk) => perChannel(node, walk, [1, 2, 3, 4])],
  ['InstanceNormalization', (node, walk) => perChannel(node, walk, [1, 2])],
  ['LayerNormalization', layerNorm],
  ['SimplifiedLayerNormalization', layerNorm],
  ['SkipLayerNormalization', skipNorm],
  ['SkipSimplifiedLayerNormalization', skipNorm],
]);

function unary(node: Node, walk: Walk): readonly Axes[] {
  const axes = walk.axes(node, 0);
  return node.outputs.map(() => axes);
}

function elementwise(node: Node, walk: Walk): readonly Axes[] {
  const inputs = node.inputs.flatMap((name, at) => (name === '' ? [] : [walk.axes(node, at)]));
  return [spreadAxes(inputs, node, walk)];
}

/** The axes of values combined place by place, aligned at the last axis; what meets is joined. */
export function spreadAxes(inputs: readonly Axes[], node: Node, walk: Walk): Axes {
  if (inputs.some((axes) => axes === undefined)) {
    for (const axes of inputs) walk.pin(axes, node, 'it meets a value of unknown shape here');
    return undefined;
  }
  return (inputs as (readonly Axis[])[]).reduce((a, b) => spreadPair(a, b, node, walk));
}

function spreadPair(
  a: readonly Axis[],
  b: readonly Axis[],
  node: Node,
  walk: Walk,
): readonly Axis[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, axis) => {
    const one = a[axis - rank + a.length];
    const other = b[axis - rank + b.length];
    if (one === undefined || isOne(one)) return other ?? one!;
    if (other === undefined || isOne(other)) return one;
    return walk.join(one, other, node);
  });
}

function isOne({ size }: Axis): boolean {
  return countOf(size) === 1;
}

function softmax(node: Node, walk: Walk): readonly Axes[] {
  const axes = walk.axes(node, 0);
  const old = walk.opset < 13;
  const at = place(intOf(node, 'axis', old ? 1 : -1), axes?.length ?? 0);
  const over = axes?.filter((_, axis) => (old ? axis >= at : axis === at));
  walk.pin(over, node, `${node.operator} looks at all of them together`);
  return [axes];
}

function layerNorm(node: Node, walk: Walk): readonly Axes[] {
  const axes = walk.axes(node, 0);
  const from = place(intOf(node, 'axis', -1), axes?.length ?? 0);
  walk.pin(axes?.slice(from), node, `${node.operator} looks at all of them together`);
  return [axes];
}

function skipNorm(node: Node, walk: Walk): readonly Axes[] {
  const axes = spreadAxes([walk.axes(node, 0), walk.axes(node, 1)], node, walk);
  walk.pin(axes?.slice(-1), node, `${node.operator} looks at all of them together`);
  return node.outputs.map((_, at) => (at === 0 || at === 3 ? axes : undefined));
}

/** Vectors of the input's channels, which stand on axis 1. */
function perChannel(node: Node, walk: Walk, vectors: readonly number[]): readonly Axes[] {
  const axes = walk.axes(node, 0);
  const channel = axes?.[1];
  for (const at of vectors) {
    const axis = walk.axes(node, at)?.[0];
    if (axis === undefined) continue;
    if (channel === undefined) walk.pin([axis], node, 'its input has an unknown shape');
    else if (!isOne(axis) || !isSame(axis.size, channel.size)) walk.join(channel, axis, node);
  }
  return [axes];
}

/** An axis counted from the end made one counted from the start. */
export function place(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}
