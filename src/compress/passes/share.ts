import { createHash } from 'node:crypto';
import { createNode } from '../../onnx/build.ts';
import { rawBytesOf } from '../../onnx/constant.ts';
import { editGraphs, withFixedConstants } from '../../onnx/edit-model.ts';
import type { GraphEditor } from '../../onnx/graph-editor.ts';
import type { TensorRecord } from '../../onnx/proto.ts';
import { z } from '../../std/schema.ts';
import { tensorNamed } from '../match.ts';
import type { Pass, Tally } from '../pass.ts';
import { type Table, tablesOf } from '../tables.ts';

const schema = z.strictObject({
  turned: z
    .boolean()
    .default(false)
    .describe('A matrix that is another turned round as well: a head that is its embedding.'),
});

/** Identical constants of one graph are kept once. */
export const share: Pass<z.output<typeof schema>> = {
  name: 'share',
  summary: 'Initialisers with the same type, shape and numbers kept once',
  schema,
  apply: (model, { turned }, { tally }) =>
    editGraphs(withFixedConstants(model), (editor) => {
      const gone = shareEqual(editor, tally);
      if (turned) for (const tensor of shareTurned(editor, tally)) gone.add(tensor);
      if (gone.size > 0) editor.removeInitializers(gone);
    }),
};

function shareEqual(editor: GraphEditor, tally: Tally): Set<TensorRecord> {
  const kept = new Map<string, string>();
  const gone = new Set<TensorRecord>();
  let bytes = 0;
  for (const tensor of editor.initializers()) {
    const name = tensor.name ?? '';
    const data = rawBytesOf(tensor);
    if (data === undefined || editor.isOutput(name)) continue;
    const digest = createHash('sha256').update(data).digest('hex');
    const key = `${tensor.dataType}:${tensor.dims.join(',')}:${digest}`;
    const first = kept.get(key);
    if (first === undefined) {
      kept.set(key, name);
      continue;
    }
    editor.redirect(name, first);
    gone.add(tensor);
    bytes += data.length;
  }
  tally.did('identical constant removed', gone.size);
  tally.did('byte saved', bytes);
  return gone;
}

/** A float32 matrix that only products read, and that is a table turned round, becomes the table. */
function shareTurned(editor: GraphEditor, tally: Tally): readonly TensorRecord[] {
  const tables = tablesOf(editor, 1);
  const gone: TensorRecord[] = [];
  for (const tensor of editor.initializers()) {
    const name = tensor.name ?? '';
    const [rows, columns] = tensor.dims.map(Number);
    if (tensor.dims.length !== 2 || editor.isOutput(name)) continue;
    const table = tables.find((one) => one.rows === columns && one.width === rows);
    const other = table && tensorNamed(editor, name);
    if (table === undefined || other?.type !== 'float32') continue;
    if (editor.readersOf(name).some(({ operator }) => operator !== 'MatMul')) continue;
    if (!isTurned(table, other.data as Float32Array)) continue;
    const turned = editor.freshName(`${table.name}_turned`);
    const attributes = { perm: [1n, 0n] };
    editor.add(
      createNode({
        operator: 'Transpose',
        inputs: [table.name],
        outputs: [turned],
        name: turned,
        attributes,
      }),
    );
    editor.redirect(name, turned);
    gone.push(tensor);
    tally.did('matrix that is a table turned round');
  }
  return gone;
}

function isTurned({ data, rows, width }: Table, other: Float32Array): boolean {
  for (let row = 0; row < rows; row += 1) {
    for (let at = 0; at < width; at += 1) {
      if (data[row * width + at] !== other[at * rows + row]) return false;
    }
  }
  return true;
}
