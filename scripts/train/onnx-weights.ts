import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { rawBytesOf } from '../../src/onnx/constant.ts';
import { elementTypeOf } from '../../src/onnx/element-type.ts';
import { readModelFile } from '../../src/onnx/model-file.ts';

/**
 * Writes a model's weights as they stand: `weights.bin`, the numbers of one after the other, and
 * `weights.json`, rows of name, dimensions and NumPy's name of the type.
 */
async function writeWeights(path: string, out: string): Promise<void> {
  const { model } = await readModelFile(path);
  const rows: [string, number[], string][] = [];
  const numbers: Uint8Array[] = [];
  for (const record of model.graph?.initializers ?? []) {
    const bytes = rawBytesOf(record);
    const type = elementTypeOf(record.dataType)?.name;
    if (bytes === undefined || type === undefined) continue;
    rows.push([record.name ?? '', record.dims.map(Number), type]);
    numbers.push(bytes);
  }
  await mkdir(out, { recursive: true });
  await writeFile(join(out, 'weights.bin'), Buffer.concat(numbers));
  await writeFile(join(out, 'weights.json'), JSON.stringify(rows));
}

const { values } = parseArgs({ options: { model: { type: 'string' }, out: { type: 'string' } } });
await writeWeights(values.model ?? '', values.out ?? '');
