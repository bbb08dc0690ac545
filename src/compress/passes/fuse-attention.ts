import { createNode } from '../../onnx/build.ts';
import { CONTRIBUTED, opsetOf, withDomains, withFixedConstants } from '../../onnx/edit-model.ts';
import { createGraphEditor, type GraphEditor } from '../../onnx/graph-editor.ts';
import { placeOf } from '../../onnx/names.ts';
import { namesOf } from '../../onnx/names-within.ts';
import type { Model, Node } from '../../onnx/proto.ts';
import { domainOf } from '../../onnx/summary.ts';
import { addWholes } from '../add-wholes.ts';
import type { Tally } from '../pass.ts';
import { followGraph } from '../prune/follow.ts';
import { createUnits } from '../prune/units.ts';
import { createWalk } from '../prune/walk.ts';
import { createValueTypes } from '../value-types.ts';
import { type Attention, matchAttention } from './match-attention.ts';

/** The first version of ONNX's operators that takes Unsqueeze's axes and Slice's ends as inputs. */
const OPSET_MIN = 13;

/**
 * Replaces softmax(scale Q K' + mask) V over heads by one MultiHeadAttention, with the cache of keys
 * and values where there is one. Looks at the model's own graph only, where shapes can be followed.
 */
export function fuseAttention(given: Model, tally: Tally): Model {
  const model = withFixedConstants(given);
  const graph = model.graph;
  const found = graph?.nodes.some(({ operator }) => operator === 'Softmax') ?? false;
  if (graph === undefined || !found || opsetOf(model) < OPSET_MIN) return given;
  const scope = { constantOf: () => undefined, taken: namesOf(model) };
  const editor = createGraphEditor(graph, scope);
  const walk = createWalk(editor, createUnits(), opsetOf(model));
  followGraph(graph, walk, { cache: false });
  const types = createValueTypes(editor);
  const masks = createMasks(editor);
  for (const softmax of [...editor.nodes()]) {
    if (softmax.operator !== 'Softmax' || domainOf(softmax.domain) !== '') continue;
    const match = matchAttention(softmax, walk);
    if (match.kind === 'other') continue;
    const place = placeOf(softmax);
    if (match.kind === 'left') tally.left(place, `attention: ${match.reason}`);
    else if ((types.of(match.attention.queries) ?? 'float32') !== 'float32') {
      tally.left(place, 'attention: the operator takes float32 only');
    } else {
      const reader = readElsewhere(match.attention, editor);
      if (reader === undefined) {
        replace(match.attention, { editor, masks });
        tally.did('MultiHeadAttention fused');
      } else tally.left(place, `attention: ${reader} reads a value inside it`);
    }
  }
  editor.sweep();
  const next = editor.finish();
  return next === graph ? given : withDomains({ ...model, graph: next });
}

/** What reads a value that would be gone, other than nodes that nothing would read then. */
function readElsewhere({ nodes, past, present, last }: Attention, editor: GraphEditor) {
  const gone = new Set([...nodes, last]);
  const kept = new Set(past === undefined ? [] : [present.keys, present.values]);
  const isDead = (node: Node): boolean =>
    gone.has(node) ||
    node.outputs.every((name) => !editor.isOutput(name) && editor.readersOf(name).every(isDead));
  for (const name of nodes.flatMap(({ outputs }) => outputs)) {
    if (kept.has(name)) continue;
    if (editor.isOutput(name)) return `the output ${name}`;
    const reader = editor.readersOf(name).find((node) => !isDead(node));
    if (reader !== undefined) return placeOf(reader);
  }
  return undefined;
}

interface Replacing {
  readonly editor: GraphEditor;
  readonly masks: ReturnType<typeof createMasks>;
}

function replace(attention: Attention, { editor, masks }: Replacing): void {
  const { queries, keys, values, past, present, heads, scale, mask, causal } = attention;
  const rows = attention.last.outputs[0] ?? '';
  const bias = mask === undefined ? '' : mask.rows ? mask.name : masks.forRows(mask.name, queries);
  const inputs = [queries, keys, values, '', '', bias, past?.keys ?? '', past?.values ?? ''];
  while (inputs.at(-1) === '') inputs.pop();
  editor.remove(...attention.nodes);
  const node = createNode({
    operator: 'MultiHeadAttention',
    domain: CONTRIBUTED,
    inputs,
    outputs: past === undefined ? [rows] : [rows, present.keys, present.values],
    name: `${rows}_attention`,
    attributes: { num_heads: BigInt(heads), scale, unidirectional: causal ? 1n : 0n },
  });
  editor.replace(attention.last, node);
}

/** Masks with a row for every query, each made once: the operator spreads over batch and heads only. */
function createMasks(editor: GraphEditor) {
  const made = new Map<string, string>();
  return {
    forRows(mask: string, queries: string): string {
      const old = made.get(mask);
      if (old !== undefined) return old;
      const name = editor.freshName(`${mask}_rows`);
      made.set(mask, name);
      const [shape, count, sizes] = ['shape', 'count', 'sizes'].map((part) =>
        editor.freshName(`${name}_${part}`),
      ) as [string, string, string];
      editor.add(
        createNode({ operator: 'Shape', inputs: [queries], outputs: [shape] }),
        createNode({
          operator: 'Gather',
          inputs: [shape, addWholes(editor, name, [1])],
          outputs: [count],
        }),
        createNode({
          operator: 'Concat',
          inputs: [addWholes(editor, name, [1, 1]), count, addWholes(editor, name, [1])],
          outputs: [sizes],
          attributes: { axis: 0n },
        }),
        createNode({ operator: 'Expand', inputs: [mask, sizes], outputs: [name], name }),
      );
      return name;
    },
  };
}
