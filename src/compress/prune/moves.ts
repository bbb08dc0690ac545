import { tensorOfRecord } from '../../onnx/constant.ts';
import { intOf } from '../../onnx/edit-model.ts';
import { attributeOf } from '../../onnx/graph.ts';
import type { Node, TensorRecord } from '../../onnx/proto.ts';
import { numbers } from '../kernels.ts';
import { countOf, type Extent, known, over, times } from './extent.ts';
import { reshapeAxes } from './reshape.ts';
import type { Rule, Rules } from './rules.ts';
import { place, spreadAxes } from './spread.ts';
import { type Axes, type Axis, type Walk, wholeNumbers } from './walk.ts';
import { followSizes, pinTies } from './wholes.ts';

const COMPUTED = 'axes or places that are computed';

/** Operators that move numbers, or give sizes. */
export const MOVES: Rules = new Map<string, Rule>([
  ['Transpose', transpose],
  ['Reshape', reshape],
  ['Flatten', flatten],
  ['Squeeze', squeeze],
  ['Unsqueeze', unsqueeze],
  ['Expand', expand],
  ['Pad', pad],
  ['Resize', resize],
  ['Upsample', resize],
  ['Shape', (node, walk) => [[{ size: rankOf(walk.axes(node, 0), walk) }]]],
  ['ConstantOfShape', (node, walk) => [filled(node, walk)]],
  ['Range', (_, walk) => [[{ size: walk.unknownSize() }]]],
]);

function transpose(node: Node, walk: Walk): readonly Axes[] {
  const axes = walk.axes(node, 0);
  const order = attributeOf(node, 'perm')?.ints.map(Number);
  if (axes === undefined) return [undefined];
  return [order === undefined ? [...axes].reverse() : order.map((at) => axes[at]!)];
}

function reshape(node: Node, walk: Walk): readonly Axes[] {
  const from = walk.axes(node, 0);
  const wholes = walk.wholesOf(node.inputs[1] ?? '');
  walk.axes(node, 1);
  if (from === undefined || wholes === undefined) {
    walk.pin(from, node, 'a Reshape to a shape that is computed');
    pinTies(node.inputs, node, walk);
    return [wholes?.map(({ size }) => ({ size: isGiven(size) ? size : walk.unknownSize() }))];
  }
  const copies = intOf(node, 'allowzero', 0) === 0;
  const sizes = wholes.map(({ size }, at) => {
    const copied = copies && countOf(size) === 0 ? from[at]?.size : size;
    return copied ?? walk.unknownSize();
  });
  const given = sizes.filter((size) => countOf(size) !== -1).reduce(times, known(1));
  const all = from.map(({ size }) => size).reduce(times, known(1));
  const to = sizes.map((size) => (countOf(size) === -1 ? over(all, given) : size));
  const axes = reshapeAxes(
    from,
    to.map((size) => size ?? walk.unknownSize()),
    { node, walk },
  );
  followSizes(node, 1, axes, walk);
  return [axes];
}

function isGiven(size: Extent): boolean {
  return (countOf(size) ?? 1) > 0;
}

function flatten(node: Node, walk: Walk): readonly Axes[] {
  const from = walk.axes(node, 0);
  if (from === undefined) return [undefined];
  const at = place(intOf(node, 'axis', 1), from.length);
  const sizes = [from.slice(0, at), from.slice(at)].map((axes) =>
    axes.map(({ size }) => size).reduce(times, known(1)),
  );
  return [reshapeAxes(from, sizes, { node, walk })];
}

function listOf(node: Node, walk: Walk, at = 1): readonly number[] | undefined {
  const input = node.inputs[at] ?? '';
  return input === ''
    ? attributeOf(node, 'axes')?.ints.map(Number)
    : wholeNumbers(walk.editor, input);
}

function squeeze(node: Node, walk: Walk): readonly Axes[] {
  const axes = walk.axes(node, 0);
  const computed = (node.inputs[1] ?? '') !== '' && listOf(node, walk) === undefined;
  if (axes === undefined || computed) {
    walk.pin(axes, node, COMPUTED);
    return [undefined];
  }
  const gone = listOf(node, walk)?.map((axis) => place(axis, axes.length));
  return [
    axes.filter((axis, at) => (gone === undefined ? countOf(axis.size) !== 1 : !gone.includes(at))),
  ];
}

function unsqueeze(node: Node, walk: Walk): readonly Axes[] {
  const axes = walk.axes(node, 0);
  const added = listOf(node, walk);
  if (axes === undefined || added === undefined) {
    walk.pin(axes, node, COMPUTED);
    return [undefined];
  }
  const rank = axes.length + added.length;
  const at = added.map((axis) => place(axis, rank));
  const rest = [...axes];
  const one = { size: known(1) };
  return [Array.from({ length: rank }, (_, axis) => (at.includes(axis) ? one : rest.shift()!))];
}

function filled(node: Node, walk: Walk): Axes {
  return walk.wholesOf(node.inputs[0] ?? '')?.map(({ size }) => ({ size, why: COMPUTED }));
}

function expand(node: Node, walk: Walk): readonly Axes[] {
  const axes = walk.axes(node, 0);
  const wholes = walk.wholesOf(node.inputs[1] ?? '');
  walk.axes(node, 1);
  if (axes === undefined || wholes === undefined) {
    walk.pin(axes, node, 'an Expand to a shape that is computed');
    pinTies(node.inputs, node, walk);
    return [undefined];
  }
  // A size of the same number means the same axis: only one that stood at 1 is spread.
  const wanted = wholes.map(({ size }, at): Axis => {
    const own = axes[at - wholes.length + axes.length];
    return own?.units !== undefined && countOf(size) === own.units.length ? own : { size };
  });
  const spread = spreadAxes([axes, wanted], node, walk);
  followSizes(node, 1, spread?.slice(-wholes.length), walk);
  return [spread];
}

function pad(node: Node, walk: Walk): readonly Axes[] {
  const axes = walk.axes(node, 0);
  const given = node.inputs[1] ?? '';
  const pads =
    given === '' ? attributeOf(node, 'pads')?.ints.map(Number) : wholeNumbers(walk.editor, given);
  if (axes === undefined || pads?.length !== axes.length * 2) {
    walk.pin(axes, node, COMPUTED);
    return [axes?.map(() => ({ size: walk.unknownSize(), why: COMPUTED }))];
  }
  return [
    axes.map((axis, at) => {
      const added = pads[at]! + pads[at + axes.length]!;
      if (added === 0 && pads[at] === 0) return axis;
      walk.pin([axis], node, 'a Pad that makes it longer');
      const size = countOf(axis.size);
      return {
        size: size === undefined ? walk.unknownSize() : known(size + added),
        why: 'an axis of places',
      };
    }),
  ];
}

/** Spatial axes change their size; the first two are let through where a factor for them is 1. */
function resize(node: Node, walk: Walk): readonly Axes[] {
  const axes = walk.axes(node, 0);
  const factors = node.inputs.slice(1).flatMap((name) => {
    const record = walk.editor.constantOf(name);
    return record === undefined || Number(record.dims[0] ?? 0) === 0 ? [] : [record];
  });
  const sizes = node.inputs[3] ?? '';
  if (axes === undefined || axes.length < 3 || (factors.length === 0 && sizes === '')) {
    walk.pin(axes, node, COMPUTED);
    return [undefined];
  }
  const next = axes.map(
    (axis, at): Axis => (at < 2 ? axis : { size: walk.unknownSize(), why: 'an axis of places' }),
  );
  if (sizes !== '') followSizes(node, 3, next, walk);
  else if (!leavesChannels(factors[0]!)) walk.pin(axes.slice(0, 2), node, 'a Resize of channels');
  return [next];
}

function leavesChannels(record: TensorRecord): boolean {
  const tensor = tensorOfRecord(record);
  return (
    tensor !== undefined &&
    numbers(tensor)
      .slice(0, 2)
      .every((factor) => factor === 1)
  );
}

function rankOf(axes: Axes, walk: Walk): Extent {
  return axes === undefined ? walk.unknownSize() : known(axes.length);
}
