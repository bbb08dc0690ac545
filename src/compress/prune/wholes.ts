import { intOf } from '../../onnx/edit-model.ts';
import { attributeOf } from '../../onnx/graph.ts';
import type { Node } from '../../onnx/proto.ts';
import { countOf, type Extent, known, over, times } from './extent.ts';
import type { Axes, Walk, Whole } from './walk.ts';
import { wholeNumbers } from './walk.ts';

type Wholes = readonly Whole[] | undefined;

/** Follows sizes that a graph computes: from shapes, through what takes them apart and puts them together. */
export type WholeRule = (node: Node, walk: Walk) => Wholes;

const same: WholeRule = (node, walk) => walk.wholesOf(node.inputs[0] ?? '');

/** What gives sizes; every other node that takes one makes its axis stay. */
export const WHOLES: ReadonlyMap<string, WholeRule> = new Map<string, WholeRule>([
  ['Identity', same],
  ['Cast', same],
  ['Squeeze', same],
  ['Unsqueeze', same],
  ['Shape', shapeOf],
  ['Gather', gathered],
  ['Slice', sliced],
  ['Concat', joined],
  ['Mul', arithmetic(times)],
  ['Div', arithmetic(over)],
  ['Add', arithmetic((a, b) => sum(a, b, 1))],
  ['Sub', arithmetic((a, b) => sum(a, b, -1))],
]);

function shapeOf(node: Node, walk: Walk): Wholes {
  const axes = walk.axesOf(node.inputs[0] ?? '');
  if (axes === undefined) return undefined;
  const end = intOf(node, 'end', axes.length);
  return axes.slice(intOf(node, 'start', 0), end).map((axis) => ({ size: axis.size, axis }));
}

function gathered(node: Node, walk: Walk): Wholes {
  const from = walk.wholesOf(node.inputs[0] ?? '');
  const places = wholeNumbers(walk.editor, node.inputs[1] ?? '');
  const found = from && places?.map((at) => from.at(at));
  return found?.every((one) => one !== undefined) ? (found as Wholes) : undefined;
}

function sliced(node: Node, walk: Walk): Wholes {
  const from = walk.wholesOf(node.inputs[0] ?? '');
  const at = (input: number, name: string) =>
    input < node.inputs.length
      ? wholeNumbers(walk.editor, node.inputs[input] ?? '')?.[0]
      : Number(attributeOf(node, name)?.ints[0]);
  const [start, end] = [at(1, 'starts'), at(2, 'ends')];
  const step = node.inputs[4] === undefined ? 1 : at(4, 'steps');
  if (start === undefined || end === undefined || step !== 1) return undefined;
  return from?.slice(start, end);
}

function joined(node: Node, walk: Walk): Wholes {
  const parts = node.inputs.map((name): Wholes => {
    const wholes = walk.wholesOf(name);
    const length = countOf(walk.axesOf(name)?.[0]?.size ?? known(0));
    if (wholes !== undefined || length === undefined || length === 0) return wholes;
    return Array.from({ length }, () => ({ size: walk.unknownSize() }));
  });
  return parts.some((part) => part === undefined) ? undefined : (parts as Whole[][]).flat();
}

/** A size that is computed from another is a number of its own: that other one must stay. */
function arithmetic(operation: (a: Extent, b: Extent) => Extent | undefined): WholeRule {
  return (node, walk) => {
    const [a, b] = node.inputs.map((name) => walk.wholesOf(name));
    pinTies(node.inputs, node, walk);
    if (a === undefined || b === undefined) return undefined;
    return Array.from({ length: Math.max(a.length, b.length) }, (_, at) => {
      const [one, other] = [a[at] ?? a[0]!, b[at] ?? b[0]!];
      return { size: operation(one.size, other.size) ?? walk.unknownSize() };
    });
  };
}

function sum(a: Extent, b: Extent, sign: number): Extent | undefined {
  const [one, other] = [countOf(a), countOf(b)];
  return one === undefined || other === undefined ? undefined : known(one + sign * other);
}

/** Pins the axes whose sizes stand in these values. */
export function pinTies(names: readonly string[], node: Node, walk: Walk): void {
  for (const name of names) {
    for (const { axis } of walk.wholesOf(name) ?? []) {
      if (axis !== undefined) walk.pin([axis], node, 'its size is computed with');
    }
  }
}

/**
 * Makes the sizes that a node takes as an input follow the axes of its output: numbers are written
 * anew, and a size taken from another value's shape loses what that value loses.
 */
export function followSizes(node: Node, at: number, axes: Axes, walk: Walk): void {
  const name = node.inputs[at] ?? '';
  const wholes = walk.wholesOf(name);
  for (const [axis, one] of (axes ?? []).entries()) {
    const tied = wholes?.[axis]?.axis;
    if (tied !== undefined && tied !== one) walk.join(one, tied, node);
    else if (one.units !== undefined && !canSet(name, axis, walk)) {
      walk.pin([one], node, 'its size is part of a shape that is computed');
    }
  }
  walk.amend(node, (old, cut) => {
    const changed = (axes ?? []).some((axis) => cut.keptOf(axis) !== undefined);
    if (!changed) return old;
    const next = resized(name, axes ?? []);
    return { ...old, inputs: old.inputs.map((input, place) => (place === at ? next : input)) };

    function resized(from: string, wanted: readonly NonNullable<Axes>[number][]): string {
      const found = walk.wholesOf(from) ?? [];
      if (found.every(({ size }) => countOf(size) !== undefined)) {
        const values = found.map(({ size, axis: tied }, place) => {
          const value = countOf(size)!;
          if (tied !== undefined) return cut.countOf(tied) ?? value;
          return value > 0 ? (cut.countOf(wanted[place]!) ?? value) : value;
        });
        return cut.addWholes(`${from}_pruned`, values);
      }
      const concat = cut.makerOf(from);
      if (concat?.operator !== 'Concat') return from;
      let first = 0;
      const inputs = concat.inputs.map((input) => {
        const length = walk.wholesOf(input)?.length ?? 0;
        first += length;
        return resized(input, wanted.slice(first - length, first));
      });
      const output = cut.freshName(`${from}_pruned`);
      cut.add({ ...concat, name: output, inputs, outputs: [output] });
      return output;
    }
  });
}

/** Whether a number of a shape can be written anew: all beside it in its constant are known too. */
function canSet(name: string, at: number, walk: Walk): boolean {
  const wholes = walk.wholesOf(name);
  if (wholes === undefined) return false;
  if (wholes.every(({ size }) => countOf(size) !== undefined)) return true;
  const concat = walk.editor.makerOf(name);
  if (concat?.operator !== 'Concat') return false;
  let first = 0;
  for (const input of concat.inputs) {
    const length = walk.wholesOf(input)?.length;
    if (length === undefined) return false;
    if (at < first + length) return canSet(input, at - first, walk);
    first += length;
  }
  return false;
}
