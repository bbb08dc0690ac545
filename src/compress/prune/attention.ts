import { intOf } from '../../onnx/edit-model.ts';
import type { Node } from '../../onnx/proto.ts';
import { countOf, known } from './extent.ts';
import type { Rule, Rules } from './rules.ts';
import { type Axes, type Axis, type Walk, withInt } from './walk.ts';

/** onnxruntime's own operators of attention: whole heads go. */
export const ATTENTION: Rules = new Map<string, Rule>([
  ['Attention', attention],
  ['MultiHeadAttention', multiHead],
  ['GroupQueryAttention', groupQuery],
  ['EmbedLayerNormalization', embedded],
]);

/** Units for heads, and how axes that hold runs of them are bound to these. */
function createHeads(count: number, { node, walk }: { readonly node: Node; readonly walk: Walk }) {
  const units = walk.units.fresh(count);
  walk.heads(units);
  const axis: Axis = { size: known(count), units };
  const stays = (one: Axis) => walk.pin([one, axis], node, one.why ?? 'heads that do not fit');
  return {
    axis,
    /** An axis of `times` stacks of all heads, each of equally many places. */
    bind(one: Axis | undefined, times = 1): void {
      const size = one && countOf(one.size);
      if (one === undefined) return;
      const width = (size ?? 0) / (times * count);
      if (one.units === undefined || !Number.isInteger(width)) stays(one);
      else {
        for (const [at, unit] of one.units.entries()) {
          walk.units.join(unit, units[Math.floor(at / width) % count]!);
        }
      }
    },
    /** An axis of a cache with one place for each head. */
    cache(axes: Axes, at: number): Axes {
      const one = axes?.[at];
      if (one === undefined) return undefined;
      const joined = walk.join(one, axis, node);
      return axes!.map((other, place) => (place === at ? joined : other));
    },
    wide: (width: number): Axis => ({
      size: known(count * width),
      units: Int32Array.from({ length: count * width }, (_, at) => units[Math.floor(at / width)]!),
    }),
  };
}

/** x [batch, row, channel], weights [channel, 3 * heads * width], past [2, batch, head, row, width]. */
function attention(node: Node, walk: Walk): readonly Axes[] {
  const [x, w] = [walk.axes(node, 0), walk.axes(node, 1)];
  const count = intOf(node, 'num_heads', 0);
  const uneven = node.attributes.some(({ name }) => name === 'qkv_hidden_sizes');
  const width = (countOf(w?.[1]?.size ?? known(0)) ?? 0) / (3 * count);
  if (x?.length !== 3 || w?.length !== 2 || uneven || !Number.isInteger(width) || width === 0) {
    for (const axes of [x, w]) walk.pin(axes, node, 'attention of a form that is not followed');
    return node.outputs.map(() => undefined);
  }
  walk.join(x[2]!, w[0]!, node);
  walk.summed({ node, at: 0, fromLast: 1, axis: x[2]! });
  const heads = createHeads(count, { node, walk });
  heads.bind(w[1], 3);
  walk.made({ node, axis: w[1]!, by: 'product' });
  if ((node.inputs[2] ?? '') !== '') heads.bind(walk.axes(node, 2)?.[0], 3);
  const past = (node.inputs[4] ?? '') === '' ? undefined : heads.cache(walk.axes(node, 4), 2);
  walk.amend(node, (one, cut) => withInt(one, 'num_heads', cut.countOf(heads.axis) ?? count));
  const free = { size: walk.unknownSize() };
  const present = [known(2), x[0]!.size].map((size): Axis => ({ size }));
  return [
    [x[0]!, x[1]!, heads.wide(width)],
    past === undefined
      ? [...present, heads.axis, free, { size: known(width) }]
      : past.map((axis, at) => (at === 3 ? free : axis)),
  ];
}

/** Queries, keys and values [batch, row, heads * width]; caches [batch, head, row, width]. */
function multiHead(node: Node, walk: Walk): readonly Axes[] {
  return separate(node, walk, { queries: 'num_heads', keys: 'num_heads', past: [6, 7], bias: 3 });
}

function groupQuery(node: Node, walk: Walk): readonly Axes[] {
  return separate(node, walk, { queries: 'num_heads', keys: 'kv_num_heads', past: [3, 4] });
}

interface Separate {
  readonly queries: string;
  /** The attribute that counts heads of keys: as many as queries, or each for a group of them. */
  readonly keys: string;
  readonly past: readonly [number, number];
  readonly bias?: number;
}

function separate(node: Node, walk: Walk, form: Separate): readonly Axes[] {
  const given = [0, 1, 2].map((at) => walk.axes(node, at));
  const [asked, count] = [form.queries, form.keys].map((name) => intOf(node, name, 0));
  const fits = given.every((axes) => axes?.length === 3 && axes[2]!.units !== undefined);
  const width = (countOf(given[0]?.[2]?.size ?? known(0)) ?? 0) / asked!;
  const inputs = fits && Number.isInteger(width) && width > 0;
  if (!inputs) {
    for (const axes of given) walk.pin(axes, node, 'attention of a form that is not followed');
    return node.outputs.map(() => undefined);
  }
  const heads = createHeads(count!, { node, walk });
  for (const axes of given) heads.bind(axes![2]);
  if (form.bias !== undefined && (node.inputs[form.bias] ?? '') !== '') {
    heads.bind(walk.axes(node, form.bias)?.[0], 3);
  }
  const free: Axis = { size: walk.unknownSize() };
  const caches = form.past.map((at) => {
    const past = (node.inputs[at] ?? '') === '' ? undefined : heads.cache(walk.axes(node, at), 1);
    if (past !== undefined) return past.map((axis, place) => (place === 2 ? free : axis));
    return [given[0]![0]!, heads.axis, free, { size: known(width) }];
  });
  walk.amend(node, (one, cut) => {
    const left = cut.countOf(heads.axis) ?? count!;
    const counted = withInt(one, form.keys, left);
    return form.keys === form.queries
      ? counted
      : withInt(counted, form.queries, (asked! / count!) * left);
  });
  return [[given[0]![0]!, given[0]![1]!, given[0]![2]!], ...caches];
}

/** Rows of tables added and normalised: [batch, row, channel]. */
function embedded(node: Node, walk: Walk): readonly Axes[] {
  const ids = walk.axes(node, 0);
  const table = walk.axes(node, 2);
  const width = table?.[1];
  if (ids === undefined || width === undefined) return node.outputs.map(() => undefined);
  walk.pin(table, node, 'EmbedLayerNormalization looks at all of them together');
  const axes = [...ids, { size: width.size, why: 'what EmbedLayerNormalization gives' }];
  return node.outputs.map((_, at) => (at === 1 ? [ids[0]!] : axes));
}
