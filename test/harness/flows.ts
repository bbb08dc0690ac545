import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { matmulModel, modelBytes } from '../fixtures/onnx-models.ts';
import { temporaryFolder } from './node.ts';

/** Writes flow folders into a fresh folder: text of flow.yaml by name, each with a tiny model.onnx. */
export async function writeFlows(flows: Readonly<Record<string, string>>): Promise<string> {
  const root = await temporaryFolder();
  for (const [name, text] of Object.entries(flows)) await writeFlow(root, name, text);
  return root;
}

/** Writes one flow folder with a model that multiplies 4 numbers into 2. */
export async function writeFlow(root: string, name: string, text: string): Promise<void> {
  const folder = join(root, name);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'model.onnx'), modelBytes(matmulModel({ inputs: 4, outputs: 2 })));
  await writeFile(join(folder, 'flow.yaml'), text);
}

/** A flow from four numbers to the better of two labels. */
export function tinyFlow({ topic = 'in/{device}', source = '', more = '' } = {}): string {
  return [
    `source: { topic: '${topic}'${source === '' ? '' : `, ${source}`} }`,
    'steps:',
    '  - float32: { shape: [4] }',
    '  - predict: { model: model.onnx }',
    '  - softmax: {}',
    '  - top-k: { k: 2, labels: [left, right] }',
    more,
  ].join('\n');
}

/** Four numbers as the tiny flow takes them. */
export function fourNumbers(...numbers: number[]): Buffer {
  return Buffer.from(new Float32Array(numbers).buffer);
}
