import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createValueInfo } from '../onnx/build.ts';
import { encodeModel } from '../onnx/graph.ts';
import type { Model } from '../onnx/proto.ts';
import { type Calibration, createHistogram, type Range, widen } from './histogram.ts';
import type { PassContext } from './pass.ts';
import { openForRuns } from './run-model.ts';

export interface CalibrateOptions {
  readonly context: PassContext;
  readonly method: Calibration;
  /** Of the numbers that the range holds, for that method. */
  readonly percentile: number;
}

/** The range of each float32 value of a model over the samples. */
export async function calibrate(
  model: Model,
  names: readonly string[],
  { context, method, percentile }: CalibrateOptions,
): Promise<ReadonlyMap<string, Range>> {
  const graph = model.graph;
  if (graph === undefined || names.length === 0) return new Map();
  const ends = new Set([...graph.inputs, ...graph.outputs].map(({ name }) => name));
  const inside = names.filter((name) => !ends.has(name));
  const file = join(context.folder, 'calibrate.onnx');
  const added = inside.map((name) => createValueInfo(name, 'float32'));
  const outputs = [...graph.outputs, ...added];
  await writeFile(file, encodeModel({ ...model, graph: { ...graph, outputs } }));
  const also = inside.map((name) => ({ name, type: 'float32' as const }));
  await using running = await openForRuns(file, graph, { also });
  const inputNames = graph.inputs.map(({ name }) => name ?? '');

  async function visit(see: (name: string, values: ArrayLike<number | bigint>) => void) {
    for (const sample of context.samples) {
      for (const [at, name] of inputNames.entries()) {
        const part = sample[at];
        if (part === undefined || !names.includes(name)) continue;
        const count = part.shape.reduce((product, size) => product * size, 1);
        see(name, new Float32Array(part.buffer, part.byteOffset, count));
      }
      const results = await running.run(sample);
      for (const [at, name] of running.outputs.entries()) see(name, results[at]?.data ?? []);
    }
  }

  const bounds = new Map<string, Range>();
  await visit((name, values) => bounds.set(name, widen(bounds.get(name), values)));
  if (method === 'min-max') return bounds;
  const histograms = new Map([...bounds].map(([name, range]) => [name, createHistogram(range)]));
  await visit((name, values) => histograms.get(name)?.add(values));
  return new Map([...histograms].map(([name, one]) => [name, one.range(method, percentile)]));
}
