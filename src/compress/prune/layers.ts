import { intOf } from '../../onnx/edit-model.ts';
import { attributeOf } from '../../onnx/graph.ts';
import type { Node } from '../../onnx/proto.ts';
import { countOf, type Extent, known } from './extent.ts';
import type { Rule, Rules } from './rules.ts';
import { place, spreadAxes } from './spread.ts';
import { type Axes, type Axis, type Walk, wholeNumbers, withInt } from './walk.ts';

/** Layers with weights, and what looks at places beside each other. */
export const LAYERS: Rules = new Map<string, Rule>([
  ['Conv', convolution],
  ['ConvTranspose', transposed],
  ['Gemm', gemm],
  ['MatMul', matMul],
  ['MaxPool', pool],
  ['AveragePool', pool],
  ['LpPool', pool],
  ['GlobalAveragePool', globalPool],
  ['GlobalMaxPool', globalPool],
  ...['Mean', 'Sum', 'Max', 'Min', 'Prod', 'L1', 'L2', 'SumSquare', 'LogSum', 'LogSumExp'].map(
    (name) => [`Reduce${name}`, reduce] as const,
  ),
]);

const UNKNOWN_INPUT = 'its input has an unknown shape';

function convolution(node: Node, walk: Walk): readonly Axes[] {
  const [x, w] = [walk.axes(node, 0), walk.axes(node, 1)];
  const bias = (node.inputs[2] ?? '') === '' ? undefined : walk.axes(node, 2);
  const [outputs, inputs] = w ?? [];
  if (w === undefined || outputs === undefined || inputs === undefined) {
    walk.pin(x, node, 'its weights have an unknown shape');
    return [undefined];
  }
  if (bias?.[0] !== undefined) walk.join(outputs, bias[0], node);
  const made = { node, axis: outputs, by: 'convolution' } as const;
  walk.made(made);
  const channels = x?.[1];
  const groups = intOf(node, 'group', 1);
  if (channels === undefined) walk.pin([inputs], node, UNKNOWN_INPUT);
  else if (groups === 1) {
    walk.join(channels, inputs, node);
    walk.summed({ node, at: 0, fromLast: w.length - 1, axis: channels });
  } else joinGroups([channels, inputs, outputs], groups, { node, walk });
  const spatial = w.slice(2).map((_, at) => {
    const size = x?.[at + 2]?.size;
    return spatialAxis(
      size && windowed(node, { at, size, kernel: countOf(w[at + 2]!.size) }),
      walk,
    );
  });
  return [[x?.[0] ?? spatialAxis(undefined, walk), outputs, ...spatial]];
}

/** Each group of a grouped convolution goes as a whole, its inputs and outputs with it. */
function joinGroups(
  [channels, inputs, outputs]: readonly [Axis, Axis, Axis],
  groups: number,
  { node, walk }: { readonly node: Node; readonly walk: Walk },
): void {
  walk.pin([inputs], node, 'inputs of a group of channels');
  const [from, to] = [channels.units, outputs.units];
  if (from === undefined || to === undefined) {
    walk.pin([channels, outputs], node, channels.why ?? outputs.why ?? UNKNOWN_INPUT);
    return;
  }
  const [before, after] = [from.length / groups, to.length / groups];
  for (let group = 0; group < groups; group += 1) {
    const first = from[group * before]!;
    for (let at = 0; at < before; at += 1) walk.units.join(first, from[group * before + at]!);
    for (let at = 0; at < after; at += 1) walk.units.join(first, to[group * after + at]!);
  }
  walk.amend(node, (one, cut) =>
    withInt(one, 'group', (cut.countOf(channels) ?? from.length) / before),
  );
}

function transposed(node: Node, walk: Walk): readonly Axes[] {
  const [x, w] = [walk.axes(node, 0), walk.axes(node, 1)];
  const bias = (node.inputs[2] ?? '') === '' ? undefined : walk.axes(node, 2);
  const [inputs, outputs] = w ?? [];
  if (w === undefined || x === undefined || intOf(node, 'group', 1) !== 1) {
    for (const axes of [x, w, bias]) walk.pin(axes, node, 'ConvTranspose with groups');
    return [undefined];
  }
  if (bias?.[0] !== undefined) walk.join(outputs!, bias[0], node);
  walk.made({ node, axis: outputs!, by: 'convolution' });
  walk.join(x[1]!, inputs!, node);
  walk.summed({ node, at: 0, fromLast: w.length - 1, axis: x[1]! });
  return [[x[0]!, outputs!, ...w.slice(2).map(() => spatialAxis(undefined, walk))]];
}

function gemm(node: Node, walk: Walk): readonly Axes[] {
  const [x, w] = [walk.axes(node, 0), walk.axes(node, 1)];
  const flipped = (name: string) => intOf(node, name, 0) === 1;
  const turned = <T>(axes: readonly T[], flip: boolean) => (flip ? [axes[1]!, axes[0]!] : axes);
  if (x?.length !== 2 || w?.length !== 2) {
    for (const axes of [x, w]) walk.pin(axes, node, UNKNOWN_INPUT);
    return [undefined];
  }
  const [rows, inputs] = turned(x, flipped('transA'));
  const [weights, outputs] = turned(w, flipped('transB'));
  walk.join(inputs!, weights!, node);
  const fromLast = flipped('transA') ? 2 : 1;
  walk.summed({ node, at: 0, fromLast, axis: inputs! });
  walk.made({ node, axis: outputs!, by: 'product' });
  const product = [rows!, outputs!];
  if ((node.inputs[2] ?? '') === '') return [product];
  return [spreadAxes([product, walk.axes(node, 2)], node, walk)];
}

function matMul(node: Node, walk: Walk): readonly Axes[] {
  const [a, b] = [walk.axes(node, 0), walk.axes(node, 1)];
  if (a === undefined || b === undefined || a.length < 2 || b.length < 2) {
    for (const axes of [a, b]) walk.pin(axes, node, UNKNOWN_INPUT);
    return [undefined];
  }
  const [inputs, weights, outputs] = [a.at(-1)!, b.at(-2)!, b.at(-1)!];
  walk.join(inputs, weights, node);
  walk.summed({ node, at: 0, fromLast: 1, axis: inputs });
  if (walk.editor.constantOf(node.inputs[0] ?? '') === undefined) {
    walk.made({ node, axis: outputs, by: 'product' });
  }
  const around = spreadAxes([a.slice(0, -2), b.slice(0, -2)], node, walk);
  return [around && [...around, a.at(-2)!, outputs]];
}

function pool(node: Node, walk: Walk): readonly Axes[] {
  const x = walk.axes(node, 0);
  const kernel = attributeOf(node, 'kernel_shape')?.ints.map(Number) ?? [];
  const axes = x?.map((axis, at) => {
    if (at < 2) return axis;
    return spatialAxis(
      windowed(node, { at: at - 2, size: axis.size, kernel: kernel[at - 2] }),
      walk,
    );
  });
  return node.outputs.map(() => axes);
}

function globalPool(node: Node, walk: Walk): readonly Axes[] {
  return [walk.axes(node, 0)?.map((axis, at) => (at < 2 ? axis : spatialAxis(known(1), walk)))];
}

function reduce(node: Node, walk: Walk): readonly Axes[] {
  const x = walk.axes(node, 0);
  const given = node.inputs[1] ?? '';
  const listed =
    given === '' ? attributeOf(node, 'axes')?.ints.map(Number) : wholeNumbers(walk.editor, given);
  if (x === undefined || (given !== '' && listed === undefined)) {
    walk.pin(x, node, 'axes that are computed');
    return [undefined];
  }
  const over = new Set(
    listed === undefined || listed.length === 0
      ? x.map((_, at) => at)
      : listed.map((axis) => place(axis, x.length)),
  );
  walk.pin(
    x.filter((_, at) => over.has(at)),
    node,
    `${node.operator} looks at all of them together`,
  );
  const kept = intOf(node, 'keepdims', 1) === 1;
  return [
    x.flatMap((axis, at) => (over.has(at) ? (kept ? spatialAxis(known(1), walk) : []) : axis)),
  ];
}

function spatialAxis(size: Extent | undefined, walk: Walk): Axis {
  return { size: size ?? walk.unknownSize(), why: 'an axis of places, not of channels' };
}

interface Window {
  readonly at: number;
  readonly size: Extent;
  readonly kernel: number | undefined;
}

/** The size of a spatial axis after a convolution or pooling; undefined where it is not told. */
function windowed(node: Node, { at, size, kernel }: Window): Extent | undefined {
  const given = countOf(size);
  if (given === undefined || kernel === undefined) return undefined;
  const own = (name: string, otherwise: number) =>
    Number(attributeOf(node, name)?.ints[at] ?? otherwise);
  const stride = own('strides', 1);
  const span = (kernel - 1) * own('dilations', 1) + 1;
  const bytes = attributeOf(node, 'auto_pad')?.bytes;
  const auto = bytes === undefined ? 'NOTSET' : new TextDecoder().decode(bytes);
  if (auto.startsWith('SAME')) return known(Math.ceil(given / stride));
  const pads = auto === 'VALID' ? [] : (attributeOf(node, 'pads')?.ints.map(Number) ?? []);
  const padded = given + (pads[at] ?? 0) + (pads[at + pads.length / 2] ?? 0);
  const steps = (padded - span) / stride;
  return known((intOf(node, 'ceil_mode', 0) === 1 ? Math.ceil(steps) : Math.floor(steps)) + 1);
}
