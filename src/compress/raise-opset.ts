import { editGraphs } from '../onnx/edit-model.ts';
import { allNodes, attributeOf } from '../onnx/graph.ts';
import type { Model, Node } from '../onnx/proto.ts';
import { domainOf } from '../onnx/summary.ts';

/** Take something else, or are gone, between versions 7 and 10 [onnx/docs/Changelog.md]. */
const CHANGED = new Set(['TopK', 'Upsample', 'Scan']);

/** What keeps a model of version 7 to 9 from being called version 10 as it stands; undefined: nothing. */
export function barrierToOpset10(model: Model): string | undefined {
  for (const node of allNodes(model)) {
    if (domainOf(node.domain) === '' && changes(node))
      return `${node.operator} changed by version 10`;
  }
  return model.functions.length > 0 ? 'it defines functions' : undefined;
}

function changes(node: Node): boolean {
  if (node.operator === 'BatchNormalization') return attributeOf(node, 'spatial') !== undefined;
  // Its mask became a bool.
  if (node.operator === 'Dropout') return (node.outputs[1] ?? '') !== '';
  return CHANGED.has(node.operator ?? '');
}

/** The model at version 10: what Slice had as attributes are inputs there. */
export function raiseToOpset10(model: Model): Model {
  const sliced = editGraphs(model, (editor) => {
    for (const node of editor.nodes()) {
      const own = domainOf(node.domain) === '' && node.operator === 'Slice';
      if (!own || node.attributes.length === 0) continue;
      const [starts, ends, axes] = ['starts', 'ends', 'axes'].map((name) => {
        const values = attributeOf(node, name)?.ints;
        if (values === undefined) return '';
        const data = BigInt64Array.from(values);
        const tensor = { kind: 'tensor', type: 'int64', shape: [data.length], data } as const;
        return editor.addConstant(`${node.outputs[0]}_${name}`, tensor);
      });
      const inputs = [node.inputs[0] ?? '', starts ?? '', ends ?? '', axes ?? ''];
      editor.replace(node, { ...node, inputs, attributes: [] });
    }
  });
  const opsetImports = sliced.opsetImports.map((one) =>
    domainOf(one.domain) === '' ? { ...one, version: 10n } : one,
  );
  return { ...sliced, opsetImports };
}
