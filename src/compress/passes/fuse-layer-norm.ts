import { createNode } from '../../onnx/build.ts';
import { intOf } from '../../onnx/edit-model.ts';
import { attributeOf } from '../../onnx/graph.ts';
import type { GraphEditor } from '../../onnx/graph-editor.ts';
import type { Node } from '../../onnx/proto.ts';
import { isNear, makerIs, numberNamed, standAlone, tensorNamed, withConstant } from '../match.ts';
import type { Tally } from '../pass.ts';

/**
 * Replaces (x - mean) / sqrt(mean((x - mean)^2) + epsilon) * scale + shift over the last axis by one
 * LayerNormalization. Both the squares' forms that exporters write are known: Pow 2, and x times x.
 */
export function fuseLayerNorms(editor: GraphEditor, tally: Tally): void {
  for (const add of editor.nodes()) {
    if (add.operator !== 'Add') continue;
    const found = matchLayerNorm(editor, add);
    if (found === undefined) continue;
    const { x, scale, shift, epsilon, nodes } = found;
    if (!standAlone(editor, nodes, add)) {
      tally.left(
        add.name ?? add.outputs[0] ?? '',
        'a part of its layer normalisation is read elsewhere',
      );
      continue;
    }
    editor.remove(...nodes);
    const norm = createNode({
      operator: 'LayerNormalization',
      inputs: [x, scale, shift],
      outputs: [add.outputs[0] ?? ''],
      name: `${add.outputs[0]}_layer_norm`,
      attributes: { axis: -1n, epsilon },
    });
    editor.replace(add, norm);
    tally.did('LayerNormalization fused');
  }
}

interface LayerNorm {
  readonly x: string;
  readonly scale: string;
  readonly shift: string;
  readonly epsilon: number;
  readonly nodes: readonly Node[];
}

function matchLayerNorm(editor: GraphEditor, add: Node): LayerNorm | undefined {
  const shifted = withConstant(editor, add);
  const mul = makerIs(editor, shifted?.value, 'Mul');
  const scaled = withConstant(editor, mul);
  const div = makerIs(editor, scaled?.value, 'Div');
  const [centred, deviation] = div?.inputs ?? [];
  const sub = makerIs(editor, centred, 'Sub');
  const root = makerIs(editor, deviation, 'Sqrt');
  const plus = makerIs(editor, root?.inputs[0], 'Add');
  if (shifted === undefined || scaled === undefined || plus === undefined) return undefined;
  if (mul === undefined || div === undefined || sub === undefined || root === undefined)
    return undefined;
  const variance = withConstant(editor, plus);
  const epsilon = numberNamed(editor, variance?.name);
  const mean = makerIs(editor, variance?.value, 'ReduceMean');
  const square = makerIs(editor, mean?.inputs[0], 'Pow', 'Mul');
  const x = sub.inputs[0];
  const average = makerIs(editor, sub.inputs[1], 'ReduceMean');
  if (epsilon === undefined || mean === undefined || square === undefined) return undefined;
  if (x === undefined || average === undefined || average.inputs[0] !== x) return undefined;
  const squared = squaredSub(editor, square);
  const deviations = makerIs(editor, squared, 'Sub');
  if (deviations?.inputs[0] !== x || deviations.inputs[1] !== sub.inputs[1]) {
    return undefined;
  }
  const width = lastWidth(shifted.constant.shape, scaled.constant.shape);
  if (width === undefined) return undefined;
  if (!isOverLastAxis(editor, mean) || !isOverLastAxis(editor, average)) return undefined;
  const nodes = [...new Set([mul, div, sub, deviations, root, plus, mean, square, average])];
  return { x, scale: scaled.name, shift: shifted.name, epsilon, nodes };
}

/** What a node squares. */
function squaredSub(editor: GraphEditor, square: Node): string | undefined {
  const [base, exponent] = square.inputs;
  if (square.operator === 'Mul') return base === exponent ? base : undefined;
  return isNear(numberNamed(editor, exponent), 2) ? base : undefined;
}

/** Both must be vectors of one length: that is what the fused operator takes. */
function lastWidth(a: readonly number[], b: readonly number[]): number | undefined {
  return a.length === 1 && b.length === 1 && a[0] === b[0] ? a[0] : undefined;
}

/** Axes are an attribute up to version 17 of the operators and an input after that. */
function isOverLastAxis(editor: GraphEditor, node: Node): boolean {
  if (intOf(node, 'keepdims', 1) !== 1) return false;
  const given = node.inputs[1] === undefined ? undefined : tensorNamed(editor, node.inputs[1]);
  const axes = given
    ? Array.from(given.data as BigInt64Array, Number)
    : attributeOf(node, 'axes')?.ints.map(Number);
  if (axes?.length !== 1) return false;
  if (axes[0] === -1) return true;
  const info = editor.infoOf(node.inputs[0] ?? '');
  const rank = info?.type?.tensor?.shape?.dims.length;
  return rank !== undefined && axes[0] === rank - 1;
}
