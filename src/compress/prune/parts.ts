import { intOf } from '../../onnx/edit-model.ts';
import { attributeOf } from '../../onnx/graph.ts';
import type { Node } from '../../onnx/proto.ts';
import { countOf, known } from './extent.ts';
import type { Rule, Rules } from './rules.ts';
import { place } from './spread.ts';
import { type Axes, type Axis, type Walk, wholeNumbers, withInput, withInts } from './walk.ts';

/** Operators that put values together along an axis, or take parts of them. */
export const PARTS: Rules = new Map<string, Rule>([
  ['Concat', concat],
  ['Split', split],
  ['Slice', slice],
  ['Gather', gather],
]);

const COMPUTED = 'axes or places that are computed';

function concat(node: Node, walk: Walk): readonly Axes[] {
  const inputs = node.inputs.map((_, at) => walk.axes(node, at));
  const [first] = inputs;
  if (first === undefined || inputs.some((axes) => axes?.length !== first.length)) {
    for (const axes of inputs) walk.pin(axes, node, 'it meets a value of unknown shape here');
    return [undefined];
  }
  const all = inputs as (readonly Axis[])[];
  const at = place(intOf(node, 'axis', 0), first.length);
  return [
    first.map((axis, place) => {
      if (place === at)
        return chained(
          all.map((axes) => axes[at]!),
          { node, walk },
        );
      return all.slice(1).reduce((one, axes) => walk.join(one, axes[place]!, node), axis);
    }),
  ];
}

/** Axes one after the other; parts that stay get units that stay. */
function chained(
  axes: readonly Axis[],
  { node, walk }: { readonly node: Node; readonly walk: Walk },
): Axis {
  const counts = axes.map(({ size }) => countOf(size));
  const total = counts.reduce<number>((sum, count) => sum + (count ?? 0), 0);
  if (axes.every(({ units }) => units === undefined) || counts.includes(undefined)) {
    walk.pin(axes, node, 'a Concat with a part of unknown length');
    const size = counts.includes(undefined) ? walk.unknownSize() : known(total);
    return { size, why: 'a Concat of parts that stay' };
  }
  const units = new Int32Array(total);
  let first = 0;
  for (const [at, axis] of axes.entries()) {
    const fixed = axis.units === undefined ? walk.units.fresh(counts[at]!) : axis.units;
    const part = { size: axis.size, units: fixed };
    if (axis.units === undefined) walk.pin([part], node, axis.why ?? 'a part that stays');
    units.set(fixed, first);
    first += counts[at]!;
  }
  return { size: known(total), units };
}

function split(node: Node, walk: Walk): readonly Axes[] {
  const axes = walk.axes(node, 0);
  const at = place(intOf(node, 'axis', 0), axes?.length ?? 0);
  const axis = axes?.[at];
  const whole = axis && countOf(axis.size);
  const given = node.inputs[1] ?? '';
  const listed =
    given === '' ? attributeOf(node, 'split')?.ints.map(Number) : wholeNumbers(walk.editor, given);
  const share = whole === undefined ? undefined : Math.ceil(whole / node.outputs.length);
  const even = node.outputs.map((_, part) => Math.min(share!, whole! - part * share!));
  const sizes = listed ?? (given === '' && share !== undefined ? even : undefined);
  if (axes === undefined || axis === undefined || sizes === undefined) {
    walk.pin(axes, node, COMPUTED);
    return node.outputs.map(() =>
      axes?.map((one, where) => (where === at ? { size: walk.unknownSize(), why: COMPUTED } : one)),
    );
  }
  let first = 0;
  const parts = sizes.map((count): Axis => {
    const units = axis.units?.slice(first, first + count);
    first += count;
    return {
      size: known(count),
      ...(units === undefined ? { why: axis.why ?? COMPUTED } : { units }),
    };
  });
  walk.amend(node, (one, cut) => {
    if (cut.keptOf(axis) === undefined) return one;
    const kept = parts.map((part) => cut.countOf(part)!);
    if (walk.opset < 13) return withInts(one, 'split', kept);
    const attributes = one.attributes.filter(({ name }) => name !== 'num_outputs');
    const name = cut.addWholes(`${one.outputs[0]}_sizes`, kept);
    return { ...one, attributes, inputs: [one.inputs[0]!, name] };
  });
  return parts.map((part) => axes.map((one, where) => (where === at ? part : one)));
}

function slice(node: Node, walk: Walk): readonly Axes[] {
  const axes = walk.axes(node, 0);
  const old = node.inputs.length === 1;
  const list = (at: number, name: string) =>
    old
      ? attributeOf(node, name)?.ints.map(Number)
      : wholeNumbers(walk.editor, node.inputs[at] ?? '');
  const [starts, ends] = [list(1, 'starts'), list(2, 'ends')];
  const given = old || (node.inputs[3] ?? '') !== '' ? list(3, 'axes') : undefined;
  const count = starts?.length ?? walk.wholesOf(node.inputs[1] ?? '')?.length ?? 1;
  if (axes === undefined || (given === undefined && !old && (node.inputs[3] ?? '') !== '')) {
    walk.pin(axes, node, COMPUTED);
    return [undefined];
  }
  const over = (given ?? Array.from({ length: count }, (_, at) => at)).map((axis) =>
    place(axis, axes.length),
  );
  const steps = (node.inputs[4] ?? '') === '' ? over.map(() => 1) : list(4, 'steps');
  const next = [...axes];
  const cuts: { at: number; axis: Axis; from: number; to: number }[] = [];
  for (const [at, where] of over.entries()) {
    const axis = axes[where]!;
    const size = countOf(axis.size);
    const [start, end] = [starts?.[at], ends?.[at]];
    const plain = start !== undefined && end !== undefined && steps?.[at] === 1;
    if (!plain || size === undefined) {
      walk.pin([axis], node, 'a Slice from or to a place that is computed');
      next[where] = { size: walk.unknownSize(), why: COMPUTED };
      continue;
    }
    const from = clamp(start < 0 ? start + size : start, size);
    const to = Math.max(from, clamp(end < 0 ? end + size : end, size));
    if (from === 0 && to === size) continue;
    const units = axis.units?.slice(from, to);
    next[where] = {
      size: known(to - from),
      ...(units ? { units } : { why: axis.why ?? COMPUTED }),
    };
    cuts.push({ at, axis, from, to });
  }
  walk.amend(node, (one, cut) => {
    const moved = cuts.filter(({ axis }) => cut.keptOf(axis) !== undefined);
    if (moved.length === 0) return one;
    const before = (axis: Axis, place: number) =>
      cut.keptOf(axis)!.filter((kept) => kept < place).length;
    const [from, to] = [[...starts!], [...ends!]];
    for (const { at, axis, from: start, to: end } of moved) {
      from[at] = before(axis, start);
      to[at] = before(axis, end);
    }
    if (old) return withInts(withInts(one, 'starts', from), 'ends', to);
    const [first = '', last = ''] = [one.inputs[1], one.inputs[2]];
    const started = withInput(one, 1, cut.addWholes(`${first}_pruned`, from));
    return withInput(started, 2, cut.addWholes(`${last}_pruned`, to));
  });
  return [next];
}

function clamp(value: number, size: number): number {
  return Math.max(0, Math.min(size, value));
}

function gather(node: Node, walk: Walk): readonly Axes[] {
  const [axes, indices] = [walk.axes(node, 0), walk.axes(node, 1)];
  if (axes === undefined || indices === undefined) {
    walk.pin(axes, node, 'a Gather by an index of unknown shape');
    return [undefined];
  }
  const at = place(intOf(node, 'axis', 0), axes.length);
  const axis = axes[at]!;
  const places = indices.length === 1 ? wholeNumbers(walk.editor, node.inputs[1] ?? '') : undefined;
  const around = (middle: readonly Axis[]) => [
    ...axes.slice(0, at),
    ...middle,
    ...axes.slice(at + 1),
  ];
  if (axis.units === undefined || places === undefined) {
    walk.pin([axis], node, 'a Gather of single places');
    return [around(indices.map(({ size }) => ({ size, why: 'places that a Gather picks' })))];
  }
  const { units } = axis;
  const picked = places.map((one) => place(one, units.length));
  const taken = {
    size: known(picked.length),
    units: Int32Array.from(picked, (one) => units[one]!),
  };
  walk.amend(node, (one, cut) => {
    const kept = cut.keptOf(axis);
    if (kept === undefined) return one;
    const left = picked.map((from) => kept.indexOf(from)).filter((index) => index >= 0);
    return withInput(one, 1, cut.addWholes(`${one.inputs[1]}_pruned`, left));
  });
  return [around([taken])];
}
