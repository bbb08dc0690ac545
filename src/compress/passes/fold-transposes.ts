import { createNode } from '../../onnx/build.ts';
import { attributeOf } from '../../onnx/graph.ts';
import type { GraphEditor } from '../../onnx/graph-editor.ts';
import type { Node } from '../../onnx/proto.ts';
import { domainOf } from '../../onnx/summary.ts';
import { makerIs } from '../match.ts';
import type { Tally } from '../pass.ts';

/** Each number alone decides its result: the order of axes does not matter. */
const UNARY = new Set(
  'Relu Clip LeakyRelu Elu Sigmoid Tanh HardSigmoid HardSwish Softplus'.split(' '),
);
const BINARY = new Set(['Add', 'Sub', 'Mul', 'Div']);

/**
 * Moves transpositions behind what does not care for the order of axes, and makes one of two that
 * follow each other: exporters of channels-last nets put a pair between every two layers. Gives how
 * many changes there were.
 */
export function foldTransposes(editor: GraphEditor, tally: Tally): number {
  let changes = 0;
  for (const node of editor.nodes()) {
    if (domainOf(node.domain) !== '') continue;
    const did = mergeTwo(editor, node) ?? moveBehind(editor, node);
    if (did === undefined) continue;
    changes += 1;
    tally.did(did);
  }
  return changes;
}

function permOf(node: Node | undefined): readonly number[] | undefined {
  return node && attributeOf(node, 'perm')?.ints.map(Number);
}

/** Transpose after Transpose reads the first one's input. */
function mergeTwo(editor: GraphEditor, node: Node): string | undefined {
  if (node.operator !== 'Transpose') return undefined;
  const before = makerIs(editor, node.inputs[0], 'Transpose');
  const [first, second] = [permOf(before), permOf(node)];
  if (before === undefined || first === undefined || second === undefined) return undefined;
  if (first.length !== second.length) return undefined;
  const perm = second.map((axis) => BigInt(first[axis] ?? 0));
  const [output = ''] = node.outputs;
  const inputs = [before.inputs[0] ?? ''];
  const merged = createNode({
    operator: 'Transpose',
    inputs,
    outputs: [output],
    name: `${output}_transposed`,
    attributes: { perm },
  });
  editor.replace(node, merged);
  return 'two Transposes made one';
}

/** op(T(a)) and op(T(a), T(b)) become T(op(a)) and T(op(a, b)). */
function moveBehind(editor: GraphEditor, node: Node): string | undefined {
  const count = UNARY.has(node.operator ?? '') ? 1 : BINARY.has(node.operator ?? '') ? 2 : 0;
  if (count === 0 || node.outputs.length !== 1) return undefined;
  const before = node.inputs.slice(0, count).map((name) => makerIs(editor, name, 'Transpose'));
  const [first] = before;
  const perm = permOf(first);
  if (perm === undefined || before.some((one) => permOf(one)?.join() !== perm.join())) {
    return undefined;
  }
  // At least one of them is gone afterwards; otherwise there would be one more.
  const alone = before.some((one) => editor.onlyReaderOf(one?.outputs[0] ?? '') === node);
  if (!alone) return undefined;
  const [output = ''] = node.outputs;
  const inner = editor.freshName(`${output}_before`);
  const inputs = node.inputs.map((name, at) => (at < count ? (before[at]?.inputs[0] ?? '') : name));
  editor.replace(
    node,
    { ...node, inputs, outputs: [inner] },
    createNode({
      operator: 'Transpose',
      inputs: [inner],
      outputs: [output],
      name: `${output}_transposed`,
      attributes: { perm: perm.map(BigInt) },
    }),
  );
  return `Transpose moved behind ${node.operator}`;
}
