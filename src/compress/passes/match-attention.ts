import { intOf } from '../../onnx/edit-model.ts';
import { attributeOf } from '../../onnx/graph.ts';
import type { GraphEditor } from '../../onnx/graph-editor.ts';
import type { Node } from '../../onnx/proto.ts';
import { makerIs, numberNamed, tensorNamed, withConstant } from '../match.ts';
import { countOf, type Extent, isSame, known, times } from '../prune/extent.ts';
import { isUnknown, type Walk, wholeNumbers } from '../prune/walk.ts';

/** The parts of softmax(scale Q K' + mask) V over heads, by the names of their values. */
export interface Attention {
  readonly queries: string;
  readonly keys: string;
  readonly values: string;
  readonly past: { readonly keys: string; readonly values: string } | undefined;
  /** Keys and values of all rows, [batch, head, row, size]. */
  readonly present: { readonly keys: string; readonly values: string };
  readonly heads: number;
  readonly scale: number;
  /** What is added to the scores, and whether it has a row for each query. */
  readonly mask: { readonly name: string; readonly rows: boolean } | undefined;
  readonly causal: boolean;
  /** All but the last are inside; the last makes the rows again. */
  readonly nodes: readonly Node[];
  readonly last: Node;
}

/** A reason not to fuse what is attention otherwise; `other` is none at all. */
export type AttentionMatch =
  | { readonly kind: 'found'; readonly attention: Attention }
  | { readonly kind: 'left'; readonly reason: string }
  | { readonly kind: 'other' };

/** Masked scores are at most this: their share is zero. */
const MASKED_MAX = -1e4;
/** A product with its factors and masks is a handful of nodes. */
const DEPTH_MAX = 8;

const HEADS_OUT = '0,2,1,3';
const KEYS_TURNED = '0,1,3,2';
const KEYS_TURNED_AT_ONCE = '0,2,3,1';

/** Finds the attention around a Softmax. */
export function matchAttention(softmax: Node, walk: Walk): AttentionMatch {
  const { editor } = walk;
  const shares = softmax.outputs[0] ?? '';
  const mix = editor.readersOf(shares).find((one) => one.operator === 'MatMul');
  const scores = mix && scoresOf(softmax.inputs[0] ?? '', editor, 0);
  if (mix === undefined || scores === undefined || mix.inputs[0] !== shares) return OTHER;
  if (!isLast(softmax, walk)) return left('its shares are not of the last axis');
  const [asked = '', turned = ''] = scores.product.inputs;
  const queries = headsOf(asked, walk);
  const keys = keysOf(turned, walk);
  const values = cacheOf(mix.inputs[1] ?? '', walk);
  if (queries === undefined) return left('its queries are changed after they are split into heads');
  if (keys === undefined) return left('its keys are changed after they are split into heads');
  if (values === undefined) return left('its values are changed after they are split into heads');
  const { heads, size } = queries;
  if (keys.heads !== heads || values.heads !== heads) return left('keys of fewer heads');
  if (keys.size !== size || values.size !== size) return left('keys or values of another size');
  if ((keys.past === undefined) !== (values.past === undefined)) return left('half a cache');
  const end = rowsAfter(mix, { editor, walk, width: heads * size });
  if (end === undefined) return left('its heads are not put together again');
  const masks = masksOf(scores, { walk, rows: queries.axis, total: keys.axis });
  if (typeof masks === 'string') return left(masks);
  const parts = [...scores.nodes, softmax, mix, ...end.nodes];
  const nodes = [...queries.nodes, ...keys.nodes, ...values.nodes, ...parts];
  const attention: Attention = {
    queries: queries.rows,
    keys: keys.rows,
    values: values.rows,
    past: keys.past === undefined ? undefined : { keys: keys.past, values: values.past! },
    present: { keys: keys.all, values: values.all },
    heads,
    scale: scores.scale * queries.scale * keys.scale,
    ...masks,
    nodes: [...new Set(nodes)],
    last: end.last,
  };
  return { kind: 'found', attention };
}

const OTHER: AttentionMatch = { kind: 'other' };

function left(reason: string): AttentionMatch {
  return { kind: 'left', reason };
}

function isLast(softmax: Node, walk: Walk): boolean {
  const axis = intOf(softmax, 'axis', walk.opset < 13 ? 1 : -1);
  return axis === -1 || axis === 3;
}

interface Scores {
  readonly product: Node;
  readonly scale: number;
  readonly masks: readonly string[];
  readonly conditions: readonly string[];
  readonly nodes: readonly Node[];
}

/** From the scores back to the product of queries and keys, through factors and masks. */
function scoresOf(name: string, editor: GraphEditor, depth: number): Scores | undefined {
  const node = makerIs(editor, name, 'MatMul', 'Mul', 'Div', 'Add', 'Where');
  if (node === undefined || depth > DEPTH_MAX) return undefined;
  const [a = '', b = ''] = node.inputs;
  if (node.operator === 'MatMul') {
    const given = editor.constantOf(a) ?? editor.constantOf(b);
    const plain = { scale: 1, masks: [], conditions: [], nodes: [node] };
    return given === undefined ? { product: node, ...plain } : undefined;
  }
  if (node.operator === 'Where') {
    const value = numberNamed(editor, node.inputs[2]);
    const inner = scoresOf(b, editor, depth + 1);
    if (inner === undefined || value === undefined || value > MASKED_MAX) return undefined;
    return { ...inner, conditions: [...inner.conditions, a], nodes: [...inner.nodes, node] };
  }
  if (node.operator === 'Add') {
    for (const [side, mask] of [
      [a, b],
      [b, a],
    ] as const) {
      const inner = scoresOf(side, editor, depth + 1);
      if (inner === undefined) continue;
      return { ...inner, masks: [...inner.masks, mask], nodes: [...inner.nodes, node] };
    }
    return undefined;
  }
  const factor = factorOf(node, editor);
  const inner = factor && scoresOf(factor.value, editor, depth + 1);
  // A factor after a mask is a factor of the mask as well.
  if (factor === undefined || inner === undefined || inner.masks.length > 0) return undefined;
  return { ...inner, scale: inner.scale * factor.number, nodes: [...inner.nodes, node] };
}

function factorOf(node: Node, editor: GraphEditor) {
  const parts = withConstant(editor, node);
  const number = parts && numberNamed(editor, parts.name);
  if (parts === undefined || number === undefined) return undefined;
  if (node.operator === 'Mul') return { value: parts.value, number };
  return node.inputs[0] === parts.value ? { value: parts.value, number: 1 / number } : undefined;
}

interface Heads {
  /** The value before it is split: [batch, row, heads * size]. */
  readonly rows: string;
  readonly heads: number;
  readonly size: number;
  readonly scale: number;
  /** How many rows. */
  readonly axis: Extent;
  readonly nodes: readonly Node[];
}

function permOf(node: Node): string {
  return attributeOf(node, 'perm')?.ints.join() ?? '';
}

/** [batch, row, heads * size] split and turned: to [batch, head, row, size], or as `order` says. */
function headsOf(name: string, walk: Walk, order = HEADS_OUT): Heads | undefined {
  const { editor } = walk;
  const scaled = makerIs(editor, name, 'Mul', 'Div');
  const factor = scaled && factorOf(scaled, editor);
  if (scaled !== undefined && factor === undefined) return undefined;
  const turn = makerIs(editor, factor?.value ?? name, 'Transpose');
  const split = makerIs(editor, turn?.inputs[0], 'Reshape');
  if (turn === undefined || split === undefined || permOf(turn) !== order) return undefined;
  const rows = split.inputs[0] ?? '';
  const from = walk.axesOf(rows);
  const to = walk.axesOf(split.outputs[0] ?? '');
  if (from?.length !== 3 || to?.length !== 4) return undefined;
  const [heads, size] = [countOf(to[2]!.size), countOf(to[3]!.size)];
  const same = isSame(from[0]!.size, to[0]!.size) && isSame(from[1]!.size, to[1]!.size);
  if (!same || heads === undefined || size === undefined) return undefined;
  const nodes = [...(scaled === undefined ? [] : [scaled]), turn, split];
  return { rows, heads, size, scale: factor?.number ?? 1, axis: to[1]!.size, nodes };
}

interface Cached extends Heads {
  readonly past: string | undefined;
  /** Earlier rows and these. */
  readonly all: string;
}

/** Heads of keys or values, behind those of earlier rows where there are any. */
function cacheOf(name: string, walk: Walk): Cached | undefined {
  const concat = makerIs(walk.editor, name, 'Concat');
  if (concat === undefined) {
    const heads = headsOf(name, walk);
    const plain = heads?.scale === 1 ? heads : undefined;
    return plain && { ...plain, past: undefined, all: name };
  }
  const axis = intOf(concat, 'axis', 0);
  const heads = headsOf(concat.inputs[1] ?? '', walk);
  if (heads?.scale !== 1 || concat.inputs.length !== 2 || (axis !== 2 && axis !== -2)) {
    return undefined;
  }
  const total = walk.axesOf(name)?.[2]?.size;
  const past = concat.inputs[0] ?? '';
  if (total === undefined || walk.axesOf(past)?.length !== 4) return undefined;
  return { ...heads, past, all: name, axis: total, nodes: [...heads.nodes, concat] };
}

/** The second factor of the scores: [batch, head, size, row]. */
function keysOf(name: string, walk: Walk): Cached | undefined {
  const { editor } = walk;
  const scaled = makerIs(editor, name, 'Mul', 'Div');
  const factor = scaled && factorOf(scaled, editor);
  if (scaled !== undefined && factor === undefined) return undefined;
  const turned = factor?.value ?? name;
  const turn = makerIs(editor, turned, 'Transpose');
  if (turn === undefined) return undefined;
  const more = { scale: factor?.number ?? 1 };
  const around = scaled === undefined ? [turn] : [turn, scaled];
  if (permOf(turn) === KEYS_TURNED_AT_ONCE) {
    const heads = headsOf(turned, walk, KEYS_TURNED_AT_ONCE);
    const nodes = [...(heads?.nodes ?? []), ...around];
    return heads && { ...heads, ...more, past: undefined, all: turned, nodes };
  }
  const keys = permOf(turn) === KEYS_TURNED ? cacheOf(turn.inputs[0] ?? '', walk) : undefined;
  return keys && { ...keys, ...more, nodes: [...keys.nodes, ...around] };
}

interface Ending {
  readonly editor: GraphEditor;
  readonly walk: Walk;
  readonly width: number;
}

/** [batch, head, row, size] turned and joined to [batch, row, width]. */
function rowsAfter(mix: Node, { editor, walk, width }: Ending) {
  const turn = editor.readersOf(mix.outputs[0] ?? '').find((one) => one.operator === 'Transpose');
  const joined = editor
    .readersOf(turn?.outputs[0] ?? '')
    .find((one) => one.operator === 'Reshape' && one.inputs[0] === turn?.outputs[0]);
  if (turn === undefined || joined === undefined || permOf(turn) !== HEADS_OUT) return undefined;
  const from = walk.axesOf(turn.outputs[0] ?? '');
  const to = walk.axesOf(joined.outputs[0] ?? '');
  if (from?.length !== 4 || to?.length !== 3) return undefined;
  const same = [0, 1].every((at) => isSame(from[at]!.size, to[at]!.size));
  const whole = times(from[2]!.size, from[3]!.size);
  if (!same || !isSame(to[2]!.size, whole) || countOf(whole) !== width) return undefined;
  return { nodes: [turn], last: joined };
}

interface Masking {
  readonly walk: Walk;
  readonly rows: Extent;
  readonly total: Extent;
}

/** What the operator is told of the masks; a sentence where it cannot be told. */
function masksOf(
  { masks, conditions }: Scores,
  given: Masking,
): Pick<Attention, 'mask' | 'causal'> | string {
  if (masks.length > 1 || conditions.length > 1) return 'it has several masks';
  const [condition] = conditions;
  if (condition !== undefined && !isCausal(condition, given)) {
    return 'its mask chooses by another table than a causal one';
  }
  const [name] = masks;
  const causal = condition !== undefined;
  if (name === undefined) return { mask: undefined, causal };
  const axes = axesOf(name, given.walk);
  const across = axes?.at(-1);
  if (axes === undefined || across === undefined || axes.length > 4)
    return 'a mask of unknown shape';
  // A size that nothing is known of can only be that of the keys: the sum would not work otherwise.
  if (!isSame(across, given.total) && !isUnknown(across)) {
    return 'a mask that is not known to have a place for each key';
  }
  const rows = axes.length === 4 && isSame(axes[2]!, given.rows);
  return { mask: { name, rows }, causal };
}

function axesOf(name: string, walk: Walk): readonly Extent[] | undefined {
  const record = walk.editor.constantOf(name);
  if (record !== undefined) return record.dims.map((dim) => known(Number(dim)));
  return walk.axesOf(name)?.map(({ size }) => size);
}

/** Whether a value is the part of a lower triangle that belongs to the last rows of all. */
function isCausal(name: string, { walk, rows, total }: Masking): boolean {
  const { editor } = walk;
  const seen = new Set<number>();
  let current = name;
  for (;;) {
    const node = makerIs(editor, current, 'Slice', 'Cast');
    if (node === undefined) break;
    current = node.inputs[0] ?? '';
    if (node.operator === 'Cast') continue;
    const axis = wholeNumbers(editor, node.inputs[3] ?? '');
    const end = walk.wholesOf(node.inputs[2] ?? '');
    if (axis?.length !== 1 || end?.length !== 1 || seen.has(axis[0]!)) return false;
    if (!isSame(end[0]!.size, total)) return false;
    const zero = wholeNumbers(editor, node.inputs[1] ?? '')?.[0] === 0;
    const whole = zero && (axis[0] === 3 || isSame(rows, total));
    if (!whole && !(axis[0] === 2 && startsAtRows(node.inputs[1] ?? ''))) return false;
    seen.add(axis[0]!);
  }
  return seen.has(2) && seen.has(3) && seen.size === 2 && isTriangle(current, editor);

  function startsAtRows(start: string): boolean {
    const minus = makerIs(editor, start, 'Sub');
    const [all, own] = (minus?.inputs ?? []).map((one) => walk.wholesOf(one)?.[0]?.size);
    return all !== undefined && own !== undefined && isSame(all, total) && isSame(own, rows);
  }
}

function isTriangle(name: string, editor: GraphEditor): boolean {
  const table = tensorNamed(editor, name);
  const [one, other, rows = 0, columns] = table?.shape ?? [];
  if (table?.shape.length !== 4 || one !== 1 || other !== 1 || rows !== columns) return false;
  return table.data.every(
    (value: number | bigint, at: number) =>
      (Number(value) !== 0) === at % rows <= Math.floor(at / rows),
  );
}
