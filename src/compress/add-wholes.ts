import { recordOfTensor } from '../onnx/constant.ts';
import type { GraphEditor } from '../onnx/graph-editor.ts';

/** Adds a vector of int64 as a constant, as shapes and places are given, and gives its name. */
export function addWholes(editor: GraphEditor, wanted: string, values: readonly number[]): string {
  const data = BigInt64Array.from(values.map(BigInt));
  const tensor = { kind: 'tensor', type: 'int64', shape: [values.length], data } as const;
  return editor.addConstant(wanted, recordOfTensor('', tensor));
}
