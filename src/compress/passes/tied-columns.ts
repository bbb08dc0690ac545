import { createNode } from '../../onnx/build.ts';
import { recordOfBytes, recordOfTensor } from '../../onnx/constant.ts';
import type { GraphEditor } from '../../onnx/graph-editor.ts';
import type { Tally } from '../pass.ts';
import { ZERO_8 } from '../quantise.ts';
import type { Table } from '../tables.ts';

/** Columns of 8-bit weights as the quantised products take them: [inputs, outputs] and [outputs]. */
export interface ColumnWeights {
  readonly values: string;
  readonly scales: string;
  readonly signed: boolean;
}

/**
 * Looks an embedding up in the columns of its head, which are the rows of the table: the numbers are
 * stored once, in the order in which the head's product is fast. `rank` is that of the indices.
 */
export function lookUpColumns(
  editor: GraphEditor,
  table: Table,
  { weights, rank, tally }: { weights: ColumnWeights; rank: number; tally: Tally },
): void {
  const ids = table.node.inputs[1] ?? '';
  const output = table.node.outputs[0] ?? '';
  const [taken = '', factors = '', numbers = '', scaled = ''] = [
    'columns',
    'factors',
    'numbers',
    'scaled',
  ].map((part) => editor.freshName(`${output}_${part}`));
  const one = editor.addConstant(
    'one',
    recordOfTensor('', { kind: 'tensor', type: 'float32', shape: [], data: Float32Array.of(1) }),
  );
  const type = weights.signed ? 'int8' : 'uint8';
  const bytes = Uint8Array.of(weights.signed ? 0 : ZERO_8);
  const zero = editor.addConstant('zero', recordOfBytes('', { type, shape: [], bytes }));
  const last = Array.from({ length: rank }, (_, axis) => BigInt(axis + 1));
  const node = (operator: string, inputs: readonly string[], to: string, attributes = {}) =>
    createNode({ operator, inputs, outputs: [to], name: to, attributes });
  editor.remove(table.node);
  editor.add(
    node('Gather', [weights.values, ids], taken, { axis: 1n }), // [channel, ...indices]
    node('DequantizeLinear', [taken, one, zero], numbers),
    node('Gather', [weights.scales, ids], factors), // [...indices]
    node('Mul', [numbers, factors], scaled),
    node('Transpose', [scaled], output, { perm: [...last, 0n] }), // [...indices, channel]
  );
  tally.did('embedding in 8 bits, stored with its head');
}
