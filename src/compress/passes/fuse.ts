import { createNode } from '../../onnx/build.ts';
import { CONTRIBUTED, editGraphs, intOf, withFixedConstants } from '../../onnx/edit-model.ts';
import { attributeOf } from '../../onnx/graph.ts';
import type { GraphEditor } from '../../onnx/graph-editor.ts';
import { domainOf } from '../../onnx/summary.ts';
import { z } from '../../std/schema.ts';
import { makerIs } from '../match.ts';
import type { Pass, Tally } from '../pass.ts';
import { createShapes, type Shapes } from '../shapes.ts';
import { fuseAttention } from './fuse-attention.ts';
import { fuseBiasGelus, fuseGelus } from './fuse-gelu.ts';
import { fuseLayerNorms } from './fuse-layer-norm.ts';

/** ONNX's own epsilon of LayerNormalization. */
const EPSILON = 1e-5;

const schema = z.strictObject({
  layerNorm: z.boolean().default(true).describe('LayerNormalization from its parts.'),
  gelu: z.boolean().default(true).describe('GELU from its parts, with its bias.'),
  attention: z.boolean().default(true).describe('Attention over heads, with its cache.'),
  skip: z.boolean().default(true).describe('A residual sum into the LayerNormalization after it.'),
});

/** Formulas become the operators that onnxruntime has for them. */
export const fuse: Pass<z.output<typeof schema>> = {
  name: 'fuse',
  summary: 'Attention, LayerNorm, SkipLayerNorm, GELU, bias + GELU as one operator each',
  schema,
  apply: (given, config, { tally }) => {
    const model = config.attention ? fuseAttention(given, tally) : given;
    return editGraphs(withFixedConstants(model), (editor) => {
      if (config.layerNorm) fuseLayerNorms(editor, tally);
      if (config.gelu) {
        fuseGelus(editor, tally);
        fuseBiasGelus(editor, tally);
      }
      if (config.skip) fuseSkips(editor, tally);
      editor.sweep();
    });
  },
};

/**
 * Add, then LayerNormalization over the last axis: one operator that gives the sum as well. It takes
 * [batch, row, channel] and equal shapes only, so both must be known.
 */
function fuseSkips(editor: GraphEditor, tally: Tally): void {
  const shapes = createShapes(editor);
  for (const norm of editor.nodes()) {
    if (norm.operator !== 'LayerNormalization' || domainOf(norm.domain) !== '') continue;
    const [x = '', scale = '', shift = ''] = norm.inputs;
    const add = makerIs(editor, x, 'Add');
    const extra = norm.outputs.slice(1).some((name) => name !== '');
    if (add === undefined || extra || add.inputs.length !== 2) continue;
    if (!isLastAxis(intOf(norm, 'axis', -1), shapes, x)) continue;
    const [a = '', b = ''] = add.inputs;
    const constant = editor.constantOf(a) ?? editor.constantOf(b);
    if (constant !== undefined || !sameRows(shapes, a, b)) continue;
    const epsilon = attributeOf(norm, 'epsilon')?.float ?? EPSILON;
    const onlyHere = editor.onlyReaderOf(x) === norm;
    // The sum stays a value: what else reads it takes it from the fused operator.
    const fused = createNode({
      operator: 'SkipLayerNormalization',
      domain: CONTRIBUTED,
      inputs: [a, b, scale, ...(shift === '' ? [] : [shift])],
      outputs: [norm.outputs[0] ?? '', ...(onlyHere ? [] : ['', '', x])],
      name: `${norm.outputs[0]}_skip`,
      attributes: { epsilon },
    });
    editor.remove(add);
    editor.replace(norm, fused);
    tally.did('SkipLayerNormalization fused');
  }
}

function isLastAxis(axis: number, shapes: Shapes, x: string): boolean {
  return axis === -1 || axis === (shapes.of(x)?.length ?? 0) - 1;
}

function sameRows(shapes: Shapes, a: string, b: string): boolean {
  const [one, other] = [shapes.of(a), shapes.of(b)];
  if (one?.length !== 3 || other?.length !== 3) return false;
  return one.every((size, axis) => size !== undefined && size === other[axis]);
}
