import { createNode } from '../../onnx/build.ts';
import { editGraphs, withFixedConstants } from '../../onnx/edit-model.ts';
import { elementTypeCode } from '../../onnx/element-type.ts';
import type { GraphEditor } from '../../onnx/graph-editor.ts';
import { placeOf } from '../../onnx/names.ts';
import type { Node } from '../../onnx/proto.ts';
import { domainOf } from '../../onnx/summary.ts';
import { z } from '../../std/schema.ts';
import { likeFloat } from '../kernels.ts';
import { tensorNamed } from '../match.ts';
import type { Pass, Tally } from '../pass.ts';
import { createValueTypes } from '../value-types.ts';

const ELEMENTS_MIN = 64;
/** The largest number of float16; larger ones would become infinite. */
const HALF_MAX = 65_504;

/** Work that is worth a Cast before and after it. */
const HEAVY = new Set(['Conv', 'ConvTranspose', 'MatMul', 'Gemm']);
/**
 * Operators whose results stay in the range of their inputs, or nearly so. What sums or squares many
 * numbers, divides or raises to powers stays in float32: Softmax, norms, means, Exp, Pow, Sqrt, Div.
 */
const SAFE = new Set(
  `Add Sub Mul Relu LeakyRelu PRelu Elu Sigmoid Tanh Clip HardSigmoid HardSwish MaxPool AveragePool
  GlobalAveragePool GlobalMaxPool Concat Reshape Flatten Transpose Squeeze Unsqueeze Slice Split Pad
  Identity Min Max Expand Tile DepthToSpace SpaceToDepth Gather`.split(/\s+/),
);

const schema = z.strictObject({
  compute: z
    .boolean()
    .default(false)
    .describe('Compute in float16 as well; without it weights are made float32 again at load.'),
  keep: z.array(z.string()).default([]).describe('Names of nodes that stay in float32.'),
  elementsMin: z
    .int()
    .min(1)
    .default(ELEMENTS_MIN)
    .describe('Constants with fewer numbers are left.'),
});

type Config = z.output<typeof schema>;

/** Weights, and on request the work, in half precision; inputs and outputs keep their types. */
export const fp16: Pass<Config> = {
  name: 'fp16',
  summary: 'Weights in float16, and on request the work; inputs, outputs and risky operators kept',
  schema,
  apply: (model, config, { tally }) =>
    editGraphs(withFixedConstants(model), (editor) => {
      if (config.compute) computeInHalf(editor, config, tally);
      storeInHalf(editor, config, tally);
      editor.sweep();
    }),
};

/** Each float32 constant becomes a float16 one with a Cast, which the runtime folds at load. */
function storeInHalf(editor: GraphEditor, { elementsMin }: Config, tally: Tally): void {
  for (const record of editor.initializers()) {
    const name = record.name ?? '';
    if (editor.isOutput(name) || editor.readersOf(name).length === 0) continue;
    const half = halfOf(editor, name, elementsMin);
    if (half === undefined) continue;
    if (half === 'too large') {
      tally.left(name, `it has numbers over ${HALF_MAX}`);
      continue;
    }
    const stored = editor.addConstant(`${name}_fp16`, half);
    const whole = editor.freshName(`${name}_fp32`);
    editor.redirect(name, whole);
    editor.add(castNode(stored, whole, 'float32'));
    tally.did('constant stored in float16');
  }
}

function computeInHalf(editor: GraphEditor, config: Config, tally: Tally): void {
  const types = createValueTypes(editor);
  const chosen = chooseNodes(editor, config, types.of);
  const made = new Set([...chosen].flatMap(({ outputs }) => outputs.filter((name) => name !== '')));
  const halves = new Map<string, string>();
  const needed = new Set<string>();
  const nodes = [...editor.nodes()];
  const half = (name: string): string => {
    const known = halves.get(name);
    if (known !== undefined) return known;
    const constant = halfOf(editor, name, 1);
    const given =
      constant === undefined || constant === 'too large'
        ? editor.freshName(`${name}_fp16`)
        : editor.addConstant(`${name}_fp16`, constant);
    halves.set(name, given);
    if (!made.has(name) && constant === undefined) editor.add(castNode(name, given, 'float16'));
    return given;
  };
  for (const node of nodes) {
    if (!chosen.has(node)) continue;
    for (const name of node.outputs) {
      if (name === '') continue;
      const others = editor.readersOf(name).some((reader) => !chosen.has(reader));
      if (others || editor.isOutput(name)) needed.add(name);
    }
  }
  for (const node of chosen) {
    const inputs = node.inputs.map((name) => (types.of(name) === 'float32' ? half(name) : name));
    const outputs = node.outputs.map((name) => (name === '' ? '' : half(name)));
    editor.replace(node, { ...node, inputs, outputs });
    tally.did(`${node.operator} in float16`);
  }
  for (const name of needed) editor.add(castNode(half(name), name, 'float32'));
}

/** Nodes whose float inputs are all known to be float32 and within range. */
function chooseNodes(
  editor: GraphEditor,
  { keep }: Config,
  typeOf: (name: string) => string | undefined,
): Set<Node> {
  const chosen = new Set<Node>();
  for (const node of editor.nodes()) {
    const operator = node.operator ?? '';
    if (domainOf(node.domain) !== '' || !(HEAVY.has(operator) || SAFE.has(operator))) continue;
    if (keep.includes(placeOf(node))) continue;
    const given = node.inputs.filter((name) => name !== '');
    const real = given.filter((name) => typeOf(name) === 'float32');
    if (real.length === 0 || typeOf(node.outputs[0] ?? '') !== 'float32') continue;
    if (given.some((name) => typeOf(name) === undefined)) continue;
    if (real.some((name) => halfOf(editor, name, 1) === 'too large')) continue;
    chosen.add(node);
  }
  // A light node between float32 ones would cost two casts for nothing.
  for (let before = -1; before !== chosen.size; ) {
    before = chosen.size;
    for (const node of chosen) {
      if (HEAVY.has(node.operator ?? '')) continue;
      const makers = node.inputs.map((name) => editor.makerOf(name));
      const readers = node.outputs.flatMap((name) => editor.readersOf(name));
      const near = [...makers, ...readers].some((one) => one !== undefined && chosen.has(one));
      if (!near) chosen.delete(node);
    }
  }
  return chosen;
}

function halfOf(editor: GraphEditor, name: string, elementsMin: number) {
  const tensor = tensorNamed(editor, name);
  if (!(tensor?.data instanceof Float32Array) || tensor.data.length < elementsMin) return undefined;
  if (tensor.data.some((value) => Math.abs(value) > HALF_MAX)) return 'too large' as const;
  return likeFloat('float16', tensor.shape, tensor.data);
}

function castNode(from: string, to: string, type: string): Node {
  const attributes = { to: BigInt(elementTypeCode(type)) };
  return createNode({
    operator: 'Cast',
    inputs: [from],
    outputs: [to],
    name: `${to}_cast`,
    attributes,
  });
}
