import { createNode } from '../../onnx/build.ts';
import { recordOfBytes } from '../../onnx/constant.ts';
import { CONTRIBUTED, editGraphs, opsetOf, withFixedConstants } from '../../onnx/edit-model.ts';
import type { GraphEditor } from '../../onnx/graph-editor.ts';
import { z } from '../../std/schema.ts';
import { inputsFirst, type Linear, linearsOf } from '../linear.ts';
import type { Pass, Tally } from '../pass.ts';
import { quantiseColumns, ZERO_8 } from '../quantise.ts';
import { createShapes } from '../shapes.ts';
import { type Table, tablesOf } from '../tables.ts';
import { createBlockStore } from './block.ts';
import { type ColumnWeights, lookUpColumns } from './tied-columns.ts';

const ELEMENTS_MIN = 1024;
/** DynamicQuantizeLinear came with this version of ONNX's operators. */
const OPSET_DYNAMIC = 11;
/** Of embeddings: a factor for 64 numbers costs 0.5 bits for each. */
const TABLE_BLOCK = 64;

const names = z.array(z.string()).default([]);

const schema = z.strictObject({
  weights: z
    .enum(['signed', 'unsigned'])
    .default('signed')
    .describe('unsigned for x86 processors without VNNI: signed products overflow there.'),
  embeddings: z.boolean().default(true).describe('Tables of embeddings in blocks of 8 bits.'),
  exclude: names.describe('Nodes to leave, by name or that of their weights; * is any text.'),
  only: names.describe('Nodes to take, named the same way; without them all.'),
  elementsMin: z
    .int()
    .min(1)
    .default(ELEMENTS_MIN)
    .describe('Constants with fewer numbers are left.'),
});

type Config = z.output<typeof schema>;

/** Eight bits for each weight, a factor for each output; inputs are quantised as they come. */
export const int8Dynamic: Pass<Config> = {
  name: 'int8-dynamic',
  summary: 'MatMul and Gemm in 8 bits, a factor per output channel, inputs quantised as they come',
  schema,
  apply: (model, config, { tally }) => {
    const apart = opsetOf(model) >= OPSET_DYNAMIC;
    return editGraphs(withFixedConstants(model), (editor) => {
      quantise(editor, { ...config, apart }, tally);
    });
  },
};

/** `apart`: the input is quantised by a node of its own, once for all its readers. */
function quantise(
  editor: GraphEditor,
  config: Config & { readonly apart: boolean },
  tally: Tally,
): void {
  const linears = [...linearsOf(editor, { tally, ...config })];
  const tables = config.embeddings ? tablesOf(editor, config.elementsMin) : [];
  const ranks = ranksOf(editor, tables);
  const store = createBlockStore(editor, { block: TABLE_BLOCK, bits: 8, search: false });
  const inputs = new Map<string, QuantisedInput>();
  const weights = new Map<string, QuantisedWeights>();
  for (const linear of linears) {
    const key = `${linear.weightsName} ${linear.outputsFirst}`;
    const w = weights.get(key) ?? quantiseWeights(editor, linear, config.weights);
    weights.set(key, w);
    if (config.apart) {
      const x = inputs.get(linear.x) ?? quantiseInput(editor, linear.x);
      inputs.set(linear.x, x);
      const given = [x.values, w.values, x.scale, w.scales, x.zero, w.zero];
      replaceLinear(editor, linear, { operator: 'MatMulIntegerToFloat', given });
    } else {
      const given = [linear.x, w.values, w.scales, w.zero];
      replaceLinear(editor, linear, { operator: 'DynamicQuantizeMatMul', given });
    }
    tally.did(`${linear.nodes[0]?.operator} in 8 bits`);
  }
  for (const table of tables) {
    // A head that is its embedding's table turned round is one constant with it.
    const head = config.apart ? weights.get(`${table.name} true`) : undefined;
    const rank = ranks.get(table);
    if (head === undefined || rank === undefined) store.replaceTable(table, tally);
    else lookUpColumns(editor, table, { weights: head, rank, tally });
  }
  editor.sweep();
}

/** How many dimensions each table's indices have, where that is known. */
function ranksOf(editor: GraphEditor, tables: readonly Table[]): ReadonlyMap<Table, number> {
  const shapes = createShapes(editor);
  const known = tables.flatMap((table) => {
    const shape = shapes.of(table.node.inputs[1] ?? '');
    return shape === undefined ? [] : [[table, shape.length] as const];
  });
  return new Map(known);
}

function replaceLinear(
  editor: GraphEditor,
  linear: Linear,
  { operator, given }: { readonly operator: string; readonly given: readonly string[] },
): void {
  editor.remove(...linear.nodes);
  const matmul = createNode({
    operator,
    domain: CONTRIBUTED,
    inputs: linear.bias === undefined ? given : [...given, linear.bias],
    outputs: [linear.y],
    name: `${linear.y}_int8`,
  });
  editor.add(matmul);
}

interface QuantisedInput {
  readonly values: string;
  readonly scale: string;
  readonly zero: string;
}

/** Once for each value, however many products read it. */
function quantiseInput(editor: GraphEditor, name: string): QuantisedInput {
  const [values, scale, zero] = ['int8', 'scale', 'zero'].map((part) =>
    editor.freshName(`${name}_${part}`),
  );
  if (values === undefined || scale === undefined || zero === undefined) throw new TypeError();
  const node = createNode({
    operator: 'DynamicQuantizeLinear',
    inputs: [name],
    outputs: [values, scale, zero],
    name: values,
  });
  editor.add(node);
  return { values, scale, zero };
}

interface QuantisedWeights extends ColumnWeights {
  readonly zero: string;
}

function quantiseWeights(
  editor: GraphEditor,
  linear: Linear,
  kind: Config['weights'],
): QuantisedWeights {
  const { inputs, outputs, weightsName } = linear;
  const { values, scales } = quantiseColumns(inputsFirst(linear), outputs);
  const signed = kind === 'signed';
  const type = signed ? 'int8' : 'uint8';
  // Taking 128 away from a byte turns its highest bit round.
  const stored = signed ? values.map((value) => value ^ ZERO_8) : values;
  const zeros = new Uint8Array(outputs).fill(signed ? 0 : ZERO_8);
  const add = (part: string, of: string, shape: readonly number[], bytes: Uint8Array) =>
    editor.addConstant(`${weightsName}_${part}`, recordOfBytes('', { type: of, shape, bytes }));
  return {
    values: add('int8', type, [inputs, outputs], stored),
    scales: add('scales', 'float32', [outputs], new Uint8Array(scales.buffer)),
    zero: add('zero', type, [outputs], zeros),
    signed,
  };
}
