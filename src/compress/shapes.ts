import { attributeOf } from '../onnx/graph.ts';
import type { GraphEditor } from '../onnx/graph-editor.ts';
import type { Node } from '../onnx/proto.ts';
import { numbers } from './kernels.ts';
import { tensorNamed } from './match.ts';

/** A size, the symbol of a free one (equal symbols are equal sizes), or nothing known. */
export type Size = number | string | undefined;

/** What is known of the shapes of a graph's values. */
export interface Shapes {
  /** Undefined where not even the rank is known. */
  of(name: string): readonly Size[] | undefined;
}

/** How many nodes a question goes back at most; deeper graphs are answered from their infos. */
const DEPTH_MAX = 400;

type Rule = (
  node: Node,
  shapeOf: (at: number) => readonly Size[] | undefined,
) => readonly Size[] | undefined;

const SAME: ReadonlySet<string> = new Set(
  `Identity Relu Gelu FastGelu BiasGelu QuickGelu Sigmoid Tanh Erf Sqrt Exp Log Neg Abs Softmax
  LogSoftmax LayerNormalization SkipLayerNormalization SimplifiedLayerNormalization Cast
  Dropout Clip LeakyRelu Elu HardSigmoid HardSwish Softplus BatchNormalization Not Floor Ceil
  QuantizeLinear DequantizeLinear Reciprocal MultiHeadAttention`.split(/\s+/),
);
const BROADCAST: ReadonlySet<string> = new Set(
  'Add Sub Mul Div Pow Min Max Where Equal Less Greater And Or'.split(' '),
);

/** Infers shapes forward from inputs, constants and value infos, as far as the passes here need. */
export function createShapes(editor: GraphEditor): Shapes {
  const known = new Map<string, readonly Size[] | undefined>();
  let depth = 0;

  function of(name: string): readonly Size[] | undefined {
    if (name === '') return undefined;
    if (known.has(name)) return known.get(name);
    // A circle, or a chain too long: unknown until it is told otherwise.
    known.set(name, undefined);
    if (depth >= DEPTH_MAX) return undefined;
    depth += 1;
    const shape = infer(name);
    depth -= 1;
    known.set(name, shape);
    return shape;
  }

  function infer(name: string): readonly Size[] | undefined {
    const record = editor.constantOf(name);
    if (record !== undefined) return record.dims.map(Number);
    const stated = statedShape(editor, name);
    if (stated?.every((size) => size !== undefined)) return stated;
    const node = editor.makerOf(name);
    if (node === undefined || !isLikeFirst(node, name)) return stated;
    return ruleOf(node, editor)?.(node, (at) => of(node.inputs[at] ?? '')) ?? stated;
  }

  return { of };
}

/** Whether a rule for a node's first output is one for this: the sum beside a norm has its shape. */
function isLikeFirst({ operator, outputs }: Node, name: string): boolean {
  return outputs[0] === name || (operator === 'SkipLayerNormalization' && outputs[3] === name);
}

function statedShape(editor: GraphEditor, name: string): readonly Size[] | undefined {
  const dims = editor.infoOf(name)?.type?.tensor?.shape?.dims;
  return dims?.map(({ size, symbol }) => {
    if (size !== undefined && size >= 0n) return Number(size);
    return symbol === '' ? undefined : symbol;
  });
}

function ruleOf(node: Node, editor: GraphEditor): Rule | undefined {
  const operator = node.operator ?? '';
  if (SAME.has(operator)) return (_, shapeOf) => shapeOf(0);
  if (BROADCAST.has(operator)) {
    return (one, shapeOf) => one.inputs.map((_, at) => shapeOf(at)).reduce(broadcast);
  }
  return OTHERS[operator]?.(editor);
}

const OTHERS: Readonly<Record<string, (editor: GraphEditor) => Rule>> = {
  MatMul: () => (_, shapeOf) => {
    const [a, b] = [shapeOf(0), shapeOf(1)];
    if (a === undefined || b?.length !== 2 || a.length < 2) return undefined;
    return [...a.slice(0, -1), b[1]];
  },
  Gemm: () => (node, shapeOf) => {
    const [a, b] = [shapeOf(0), shapeOf(1)];
    const flipped = (name: string) => attributeOf(node, name)?.int === 1n;
    return [a?.[flipped('transA') ? 1 : 0], b?.[flipped('transB') ? 0 : 1]];
  },
  Gather: () => (node, shapeOf) => {
    const [data, indices] = [shapeOf(0), shapeOf(1)];
    if (data === undefined || indices === undefined) return undefined;
    const given = Number(attributeOf(node, 'axis')?.int ?? 0n);
    const axis = given < 0 ? given + data.length : given;
    return [...data.slice(0, axis), ...indices, ...data.slice(axis + 1)];
  },
  Transpose: () => (node, shapeOf) => {
    const shape = shapeOf(0);
    const order = attributeOf(node, 'perm')?.ints.map(Number);
    return shape && (order === undefined ? [...shape].reverse() : order.map((axis) => shape[axis]));
  },
  Reshape: (editor) => (node, shapeOf) => {
    const sizes = tensorNamed(editor, node.inputs[1] ?? '');
    const shape = shapeOf(0);
    return (
      sizes &&
      numbers(sizes).map((size, axis) => (size === 0 ? shape?.[axis] : size < 0 ? undefined : size))
    );
  },
  Split: (editor) => (node, shapeOf) => {
    const shape = shapeOf(0);
    const listed = tensorNamed(editor, node.inputs[1] ?? '');
    const sizes = listed ? numbers(listed) : attributeOf(node, 'split')?.ints.map(Number);
    const given = Number(attributeOf(node, 'axis')?.int ?? 0n);
    const at = given < 0 ? given + (shape?.length ?? 0) : given;
    return shape?.map((size, axis) => (axis === at ? sizes?.[0] : size));
  },
  Unsqueeze: (editor) => (node, shapeOf) => {
    const shape = shapeOf(0);
    const given = tensorNamed(editor, node.inputs[1] ?? '');
    const axes = given ? numbers(given) : attributeOf(node, 'axes')?.ints.map(Number);
    if (shape === undefined || axes === undefined) return undefined;
    const rank = shape.length + axes.length;
    const at = axes.map((axis) => (axis < 0 ? axis + rank : axis));
    const rest = [...shape];
    return Array.from({ length: rank }, (_, axis) => (at.includes(axis) ? 1 : rest.shift()));
  },
};

function broadcast(
  a: readonly Size[] | undefined,
  b: readonly Size[] | undefined,
): readonly Size[] | undefined {
  if (a === undefined || b === undefined) return undefined;
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, axis) => {
    const atA = a.length - rank + axis;
    const atB = b.length - rank + axis;
    const first = atA < 0 ? 1 : a[atA];
    const second = atB < 0 ? 1 : b[atB];
    if (first === second || second === 1) return first;
    if (first === 1) return second;
    // One known to be larger than 1 decides; two unknown ones could be spread either way.
    if (typeof first === 'number') return first;
    return typeof second === 'number' ? second : undefined;
  });
}
