import { tensorOfRecord } from '../onnx/constant.ts';
import type { GraphEditor } from '../onnx/graph-editor.ts';
import type { Node } from '../onnx/proto.ts';
import { domainOf } from '../onnx/summary.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { asFloat32 } from './kernels.ts';

/** Constants of published models are rounded to float16 at worst. */
const SAME_NUMBER = 1e-3;

/** The node of ONNX's own domain that makes a value, where it is one of these operators. */
export function makerIs(
  editor: GraphEditor,
  name: string | undefined,
  ...operators: readonly string[]
): Node | undefined {
  const maker = name === undefined ? undefined : editor.makerOf(name);
  if (maker === undefined || domainOf(maker.domain) !== '') return undefined;
  return operators.includes(maker.operator ?? '') ? maker : undefined;
}

/** A node's two inputs, the constant one second; undefined where not exactly one is a constant. */
export function withConstant(
  editor: GraphEditor,
  node: Node | undefined,
): { readonly value: string; readonly constant: Tensor; readonly name: string } | undefined {
  if (node === undefined || node.inputs.length !== 2) return undefined;
  const [a = '', b = ''] = node.inputs;
  const [left, right] = [tensorNamed(editor, a), tensorNamed(editor, b)];
  if (right !== undefined && left === undefined) return { value: a, constant: right, name: b };
  if (left !== undefined && right === undefined) return { value: b, constant: left, name: a };
  return undefined;
}

/** The other input of a node that combines two values, whichever way round they stand. */
export function otherInput(node: Node, name: string): string | undefined {
  if (node.inputs.length !== 2) return undefined;
  if (node.inputs[0] === name) return node.inputs[1];
  return node.inputs[1] === name ? node.inputs[0] : undefined;
}

/** The one number of a constant; undefined where it is no constant or holds several. */
export function numberNamed(editor: GraphEditor, name: string | undefined): number | undefined {
  const tensor = name === undefined ? undefined : tensorNamed(editor, name);
  if (tensor === undefined || tensor.data.length !== 1) return undefined;
  return asFloat32(tensor)?.[0] ?? Number(tensor.data[0]);
}

/** A constant's tensor. */
export function tensorNamed(editor: GraphEditor, name: string): Tensor | undefined {
  const record = editor.constantOf(name);
  return record && tensorOfRecord(record);
}

/** Whether a number of a model is the one that a formula has. */
export function isNear(found: number | undefined, wanted: number): boolean {
  return (
    found !== undefined &&
    Math.abs(found - wanted) <= SAME_NUMBER * Math.max(1e-3, Math.abs(wanted))
  );
}

/**
 * Whether all nodes but the last are read only by each other, so that nothing is computed twice when
 * the last is replaced.
 */
export function standAlone(editor: GraphEditor, nodes: readonly Node[], last: Node): boolean {
  const inside = new Set([...nodes, last]);
  return nodes.every(
    (node) =>
      node === last ||
      node.outputs.every(
        (name) =>
          name === '' ||
          (!editor.isOutput(name) && editor.readersOf(name).every((reader) => inside.has(reader))),
      ),
  );
}
