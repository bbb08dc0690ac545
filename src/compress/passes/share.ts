import { createHash } from 'node:crypto';
import { rawBytesOf } from '../../onnx/constant.ts';
import { editGraphs, withFixedConstants } from '../../onnx/edit-model.ts';
import type { TensorRecord } from '../../onnx/proto.ts';
import { z } from '../../std/schema.ts';
import type { Pass } from '../pass.ts';

const schema = z.strictObject({});

/** Identical constants of one graph are kept once. */
export const share: Pass<z.output<typeof schema>> = {
  name: 'share',
  summary: 'Initialisers with the same type, shape and numbers kept once',
  schema,
  apply: (model, _, { tally }) =>
    editGraphs(withFixedConstants(model), (editor) => {
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
      if (gone.size === 0) return;
      editor.removeInitializers(gone);
      tally.did('identical constant removed', gone.size);
      tally.did('byte saved', bytes);
    }),
};
