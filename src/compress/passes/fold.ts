import { recordOfTensor, tensorOfRecord } from '../../onnx/constant.ts';
import { editGraphs, withFixedConstants } from '../../onnx/edit-model.ts';
import { attributeOf } from '../../onnx/graph.ts';
import type { GraphEditor } from '../../onnx/graph-editor.ts';
import { placeOf } from '../../onnx/names.ts';
import type { Node } from '../../onnx/proto.ts';
import { domainOf } from '../../onnx/summary.ts';
import { z } from '../../std/schema.ts';
import { elementCount, type Tensor } from '../../tensor/tensor.ts';
import { evaluate, numbers } from '../kernels.ts';
import type { Pass, Tally } from '../pass.ts';
import { foldBatchNorms } from './fold-batch-norm.ts';
import { foldTransposes } from './fold-transposes.ts';

/** A result longer than its inputs together, and than this, would make the file larger. */
const GROWTH_ELEMENTS_MAX = 1024;
/** Folding makes more to fold; a chain of constants is folded in one go, so few rounds do. */
const ROUNDS_MAX = 8;

const schema = z.strictObject({
  batchNorm: z.boolean().default(true).describe('Fold batch normalisation into Conv and Gemm.'),
});

/** Takes away what need not be computed: constants, identities, batch normalisation, dead nodes. */
export const fold: Pass<z.output<typeof schema>> = {
  name: 'fold',
  summary:
    'Constants computed once, batch normalisation into weights, identities and dead nodes gone',
  schema,
  apply: (model, { batchNorm }, { tally }) =>
    editGraphs(withFixedConstants(model), (editor) => {
      for (let round = 0; round < ROUNDS_MAX; round += 1) {
        const changes =
          foldConstants(editor, tally) +
          dropIdentities(editor, tally) +
          foldTransposes(editor, tally) +
          (batchNorm ? foldBatchNorms(editor, tally) : 0);
        if (changes === 0) break;
      }
      tally.did('dead node removed', editor.sweep());
    }),
};

/** Nodes all of whose inputs are constants become constants. */
function foldConstants(editor: GraphEditor, tally: Tally): number {
  let folded = 0;
  for (const node of editor.nodes()) {
    if (domainOf(node.domain) !== '' || node.outputs.length !== 1) continue;
    const [output = ''] = node.outputs;
    if (editor.isOutput(output)) continue;
    const value = computed(node, editor);
    if (value === undefined) continue;
    const name = editor.addConstant(`${output}_folded`, recordOfTensor('', value));
    if (!editor.redirect(output, name)) continue;
    editor.remove(node);
    folded += 1;
    tally.did(node.operator === 'Constant' ? 'constant made an initialiser' : 'constant computed');
  }
  return folded;
}

function computed(node: Node, editor: GraphEditor): Tensor | undefined {
  if (node.operator === 'Constant') {
    const record = editor.constantOf(node.outputs[0] ?? '');
    return record && tensorOfRecord(record);
  }
  if (node.inputs.length === 0) return undefined;
  const records = node.inputs.map((name) => editor.constantOf(name));
  if (records.some((record) => record === undefined)) return undefined;
  const inputs = records.map((record) => tensorOfRecord(record!));
  if (inputs.some((input) => input === undefined)) return undefined;
  // What others read as well stays in the file: its copy in another form would come on top.
  const alone = (inputs as Tensor[]).filter((_, at) => editor.onlyReaderOf(node.inputs[at] ?? ''));
  const given = alone.reduce((sum, { shape }) => sum + elementCount(shape), 0);
  const value = evaluate(node, inputs as Tensor[]);
  if (value === undefined || value.data.length > Math.max(given, GROWTH_ELEMENTS_MAX)) {
    return undefined;
  }
  return value;
}

/** Nodes that give their input as it came are passed by. */
function dropIdentities(editor: GraphEditor, tally: Tally): number {
  let dropped = 0;
  for (const node of editor.nodes()) {
    if (domainOf(node.domain) !== '' || !isIdentity(node, editor)) continue;
    const [input = ''] = node.inputs;
    const [output = ''] = node.outputs;
    if (!editor.redirect(output, input)) {
      tally.left(placeOf(node), `${node.operator} gives an output of the graph its name`);
      continue;
    }
    editor.remove(node);
    dropped += 1;
    tally.did(`${node.operator} passed by`);
  }
  return dropped;
}

function isIdentity(node: Node, editor: GraphEditor): boolean {
  const mask = node.outputs[1] ?? '';
  switch (node.operator) {
    case 'Identity':
      return true;
    case 'Dropout':
      return !isTraining(node, editor) && isUnread(mask, editor);
    case 'Transpose':
      return attributeOf(node, 'perm')?.ints.every((axis, at) => Number(axis) === at) ?? false;
    case 'Concat':
      return node.inputs.length === 1;
    default:
      return false;
  }
}

/** From version 12 on, an input may switch a Dropout on. */
function isTraining(node: Node, editor: GraphEditor): boolean {
  const name = node.inputs[2] ?? '';
  if (name === '') return false;
  const record = editor.constantOf(name);
  const value = record && tensorOfRecord(record);
  return value === undefined || numbers(value)[0] !== 0;
}

function isUnread(name: string, editor: GraphEditor): boolean {
  return name === '' || (!editor.isOutput(name) && editor.readersOf(name).length === 0);
}
