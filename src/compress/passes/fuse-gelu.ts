import { createNode } from '../../onnx/build.ts';
import { CONTRIBUTED } from '../../onnx/edit-model.ts';
import type { GraphEditor } from '../../onnx/graph-editor.ts';
import type { Node } from '../../onnx/proto.ts';
import { isNear, makerIs, numberNamed, otherInput, standAlone, withConstant } from '../match.ts';
import type { Tally } from '../pass.ts';

const SQRT_TWO = Math.SQRT2;
/** Of the approximation by tanh [Hendrycks and Gimpel, Gaussian Error Linear Units, 2016]. */
const TANH_FACTOR = Math.sqrt(2 / Math.PI);
const CUBE_FACTOR = 0.044715;

/** Replaces the formulas of GELU, by erf and by tanh, by onnxruntime's own operators. */
export function fuseGelus(editor: GraphEditor, tally: Tally): void {
  for (const plus of editor.nodes()) {
    if (plus.operator !== 'Add') continue;
    const one = withConstant(editor, plus);
    if (one === undefined || !isNear(numberNamed(editor, one.name), 1)) continue;
    const inner = matchErf(editor, one.value) ?? matchTanh(editor, one.value);
    if (inner === undefined) continue;
    const outer = matchHalf(editor, plus, inner.x);
    if (outer === undefined) continue;
    const nodes = [plus, ...inner.nodes, ...outer.nodes];
    if (!standAlone(editor, nodes, outer.last)) continue;
    editor.remove(...nodes.filter((node) => node !== outer.last));
    const output = outer.last.outputs[0] ?? '';
    const gelu = createNode({
      operator: inner.operator,
      domain: CONTRIBUTED,
      inputs: [inner.x],
      outputs: [output],
      name: `${output}_gelu`,
    });
    editor.replace(outer.last, gelu);
    tally.did(`${inner.operator} fused`);
  }
}

/** Puts a bias before a GELU into it. */
export function fuseBiasGelus(editor: GraphEditor, tally: Tally): void {
  for (const gelu of editor.nodes()) {
    const [x = '', has = ''] = gelu.inputs;
    const fusable = gelu.operator === 'Gelu' || gelu.operator === 'FastGelu';
    if (gelu.domain !== CONTRIBUTED || !fusable || has !== '') continue;
    const add = makerIs(editor, x, 'Add');
    const bias = withConstant(editor, add);
    if (add === undefined || bias === undefined || editor.onlyReaderOf(x) !== gelu) continue;
    // A vector as long as the last axis: one of length 1 would be spread over it.
    const [width = 0] = bias.constant.shape;
    if (bias.constant.shape.length !== 1 || width < 2) continue;
    const operator = gelu.operator === 'Gelu' ? 'BiasGelu' : 'FastGelu';
    editor.remove(add);
    editor.replace(gelu, { ...gelu, operator, inputs: [bias.value, bias.name] });
    tally.did(`bias put into ${operator}`);
  }
}

interface Inner {
  readonly operator: 'Gelu' | 'FastGelu';
  readonly x: string;
  readonly nodes: readonly Node[];
}

/** erf(x / sqrt 2), or erf(x * (1 / sqrt 2)). */
function matchErf(editor: GraphEditor, name: string): Inner | undefined {
  const erf = makerIs(editor, name, 'Erf');
  const divided = makerIs(editor, erf?.inputs[0], 'Div', 'Mul');
  if (erf === undefined || divided === undefined) return undefined;
  const parts = withConstant(editor, divided);
  const wanted = divided.operator === 'Div' ? SQRT_TWO : 1 / SQRT_TWO;
  if (parts === undefined || !isNear(numberNamed(editor, parts.name), wanted)) return undefined;
  if (divided.operator === 'Div' && divided.inputs[0] !== parts.value) return undefined;
  return { operator: 'Gelu', x: parts.value, nodes: [erf, divided] };
}

/** tanh(sqrt(2 / pi) * (x + 0.044715 * x^3)). */
function matchTanh(editor: GraphEditor, name: string): Inner | undefined {
  const tanh = makerIs(editor, name, 'Tanh');
  const mul = makerIs(editor, tanh?.inputs[0], 'Mul');
  const scaled = withConstant(editor, mul);
  if (tanh === undefined || mul === undefined || scaled === undefined) return undefined;
  if (!isNear(numberNamed(editor, scaled.name), TANH_FACTOR)) return undefined;
  const sum = makerIs(editor, scaled.value, 'Add');
  for (const cubed of sum?.inputs ?? []) {
    const cube = makerIs(editor, cubed, 'Mul');
    const factor = withConstant(editor, cube);
    const power = makerIs(editor, factor?.value, 'Pow', 'Mul');
    if (sum === undefined || cube === undefined || factor === undefined) continue;
    if (power === undefined || !isNear(numberNamed(editor, factor.name), CUBE_FACTOR)) continue;
    const x = otherInput(sum, cubed);
    const inner = x === undefined ? undefined : cubeOf(editor, power, x);
    if (x === undefined || inner === undefined) continue;
    return { operator: 'FastGelu', x, nodes: [tanh, mul, sum, cube, ...inner] };
  }
  return undefined;
}

/** x^3 as a power or as x * x * x. */
function cubeOf(editor: GraphEditor, power: Node, x: string): readonly Node[] | undefined {
  if (power.operator === 'Pow') {
    const exponent = numberNamed(editor, power.inputs[1]);
    return power.inputs[0] === x && isNear(exponent, 3) ? [power] : undefined;
  }
  const square = makerIs(editor, otherInput(power, x), 'Mul');
  return square?.inputs.every((name) => name === x) ? [power, square] : undefined;
}

/** 0.5 * x * (1 + f), in whichever order it is multiplied. */
function matchHalf(
  editor: GraphEditor,
  plus: Node,
  x: string,
): { readonly last: Node; readonly nodes: readonly Node[] } | undefined {
  const sum = plus.outputs[0] ?? '';
  const first = editor.onlyReaderOf(sum);
  if (first?.operator !== 'Mul') return undefined;
  const other = otherInput(first, sum);
  const half = makerIs(editor, other, 'Mul');
  const halved = withConstant(editor, half);
  if (half !== undefined && halved?.value === x) {
    return isNear(numberNamed(editor, halved.name), 0.5)
      ? { last: first, nodes: [half, first] }
      : undefined;
  }
  const output = first.outputs[0] ?? '';
  const second = editor.onlyReaderOf(output);
  if (second?.operator !== 'Mul') return undefined;
  const last = otherInput(second, output);
  const matches =
    (other === x && isNear(numberNamed(editor, last), 0.5)) ||
    (last === x && isNear(numberNamed(editor, other), 0.5));
  return matches ? { last: second, nodes: [first, second] } : undefined;
}
