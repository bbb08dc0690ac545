import { intOf } from '../onnx/edit-model.ts';
import type { GraphEditor } from '../onnx/graph-editor.ts';
import { placeOf } from '../onnx/names.ts';
import type { Node } from '../onnx/proto.ts';
import { domainOf } from '../onnx/summary.ts';
import { tensorNamed } from './match.ts';

/** An embedding: rows of a float32 constant, looked up by index. */
export interface Table {
  readonly place: string;
  readonly node: Node;
  readonly name: string;
  readonly rows: number;
  readonly width: number;
  readonly data: Float32Array;
}

/** Every Gather of rows from a float32 matrix that is a constant of at least so many numbers. */
export function tablesOf(editor: GraphEditor, elementsMin: number): readonly Table[] {
  const found: Table[] = [];
  for (const node of editor.nodes()) {
    if (node.operator !== 'Gather' || domainOf(node.domain) !== '') continue;
    if (intOf(node, 'axis', 0) !== 0) continue;
    const name = node.inputs[0] ?? '';
    const tensor = tensorNamed(editor, name);
    if (tensor?.shape.length !== 2 || !(tensor.data instanceof Float32Array)) continue;
    if (tensor.data.length < elementsMin) continue;
    const [rows = 0, width = 0] = tensor.shape;
    found.push({ place: placeOf(node), node, name, rows, width, data: tensor.data });
  }
  return found;
}
