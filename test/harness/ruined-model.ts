import { writeFile } from 'node:fs/promises';
import { encodeModel } from '../../src/onnx/graph.ts';
import { readModelFile } from '../../src/onnx/model-file.ts';

/** Writes a model again with nothing but zeros in its largest float constant. */
export async function writeRuined(from: string, to: string): Promise<void> {
  const { model, originals } = await readModelFile(from);
  const graph = model.graph;
  if (graph === undefined) throw new Error('a model without a graph');
  const sizes = graph.initializers.map(({ dims }) =>
    dims.reduce((product, size) => product * Number(size), 1),
  );
  const largest = sizes.indexOf(Math.max(...sizes));
  const initializers = graph.initializers.map((one, at) =>
    at === largest ? { ...one, rawData: new Uint8Array(sizes[at]! * 4) } : one,
  );
  await writeFile(to, encodeModel({ ...model, graph: { ...graph, initializers } }, originals));
}
