import type { Node } from '../../onnx/proto.ts';
import { countOf, type Extent, isSame, known, over, times } from './extent.ts';
import type { Axis, Walk } from './walk.ts';

/**
 * Follows units from the axes of a value to those of the same numbers in another shape. Axes that are
 * merged or split move in runs of equal size; of a run one axis carries the units and the others stay.
 */
export function reshapeAxes(
  from: readonly Axis[],
  to: readonly Extent[],
  { node, walk }: { readonly node: Node; readonly walk: Walk },
): readonly Axis[] {
  const axes: Axis[] = [];
  for (const run of runsOf(from, to)) axes.push(...reshapeRun(run, { node, walk }));
  return axes;
}

interface Run {
  readonly from: readonly Axis[];
  readonly to: readonly Extent[];
}

/** The shortest runs of axes that hold equally many numbers; the last takes what fits nowhere. */
function runsOf(from: readonly Axis[], to: readonly Extent[]): readonly Run[] {
  const runs: Run[] = [];
  let [a, b] = [0, 0];
  while (a < from.length || b < to.length) {
    const [startA, startB] = [a, b];
    let [left, right] = [known(1), known(1)];
    do {
      if (a === from.length && b === to.length) break;
      const behind = b === to.length || (a < from.length && isShort(left, right, from[a]!.size));
      if (behind) left = times(left, from[a++]!.size);
      else right = times(right, to[b++]!);
    } while (!isSame(left, right) || isSame(left, known(1)));
    runs.push({ from: from.slice(startA, a), to: to.slice(startB, b) });
  }
  return runs;
}

/** Whether the side of the input must be longer for both to become equal. */
function isShort(left: Extent, right: Extent, next: Extent): boolean {
  if (isSame(left, right)) return true;
  const missing = over(right, left);
  if (missing !== undefined) return true;
  if (over(left, right) !== undefined) return false;
  return over(right, times(left, next)) !== undefined || left.count <= right.count;
}

function reshapeRun(
  { from, to }: Run,
  { node, walk }: { readonly node: Node; readonly walk: Walk },
): readonly Axis[] {
  const real = (size: Extent) => countOf(size) !== 1;
  const [a, b] = [from.filter(({ size }) => real(size)), to.filter(real)];
  const carrying = a.filter(({ units }) => units !== undefined);
  if (carrying.length === 0) return to.map(stay);
  let made: readonly Axis[] | undefined;
  if (a.length === 1 && b.length === 1) made = a;
  else if (b.length === 1) made = merge(a, b[0]!, { node, walk });
  else if (a.length === 1) made = split(a[0]!, b, walk);
  if (made === undefined) walk.pin(from, node, 'a Reshape that moves it across other axes');
  const rest = [...(made ?? b.map(stay))];
  return to.map((size) => (real(size) ? rest.shift()! : stay(size)));
}

const stay = (size: Extent): Axis => ({ size, why: 'an axis that a Reshape made' });

/** Several axes become one: each of its places goes with the place of the axis that carries units. */
function merge(
  axes: readonly Axis[],
  size: Extent,
  { node, walk }: { readonly node: Node; readonly walk: Walk },
): readonly Axis[] | undefined {
  const count = countOf(size);
  const lead = axes.findIndex(({ units }) => units !== undefined);
  const { units } = axes[lead]!;
  if (count === undefined || units === undefined) return undefined;
  walk.pin(
    axes.filter((_, at) => at !== lead),
    node,
    'a Reshape that puts it into one axis with others',
  );
  const inner = axes.slice(lead + 1).reduce((product, one) => times(product, one.size), known(1));
  const step = countOf(inner)!;
  const merged = Int32Array.from(
    { length: count },
    (_, at) => units[Math.floor(at / step) % units.length]!,
  );
  return [{ size, units: merged }];
}

/** A first axis so long in front of two others holds queries, keys and values. */
const STACKED = 3;

/** One axis becomes several: whole runs of its places go, those of one place of the outermost. */
function split({ units }: Axis, sizes: readonly Extent[], walk: Walk): readonly Axis[] | undefined {
  const counts = sizes.map(countOf);
  if (units === undefined || counts.some((count) => count === undefined)) return undefined;
  const lead = counts.length > 2 && counts[0] === STACKED ? 1 : 0;
  const count = counts[lead]!;
  const step = counts.slice(lead + 1).reduce<number>((product, one) => product * one!, 1);
  const outer = units.length / (count * step);
  const lines = Int32Array.from({ length: count }, (_, at) => units[at * step]!);
  if (!Number.isInteger(outer)) return undefined;
  for (let at = 0; at < units.length; at += 1) {
    walk.units.join(units[at]!, lines[Math.floor(at / step) % count]!);
  }
  if (step > 1) walk.heads(lines);
  return sizes.map((size, at) => (at === lead ? { size, units: lines } : stay(size)));
}
