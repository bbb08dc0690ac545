import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { InputPart } from '../infer/protocol.ts';
import { createValueInfo } from '../onnx/build.ts';
import { elementTypeCode } from '../onnx/element-type.ts';
import { encodeModel } from '../onnx/graph.ts';
import { createGraphEditor } from '../onnx/graph-editor.ts';
import type { Graph, Model } from '../onnx/proto.ts';
import { createComparison, type Difference } from './compare.ts';
import { openForRuns } from './run-model.ts';
import { createValueTypes } from './value-types.ts';

/** A value inside both models, and how far apart they are there. */
export interface LayerDifference extends Difference {
  readonly layer: string;
  readonly operator: string;
}

/** Operators that are the work of a net; of what they give, float32 is compared. */
const LAYERS = new Set([
  'Conv',
  'ConvTranspose',
  'MatMul',
  'Gemm',
  'Add',
  'Relu',
  'LayerNormalization',
]);
/** Every value is kept for a run: a deep network's would fill a small machine. */
const LAYERS_MAX = 256;
const SAMPLES_MAX = 2;

export interface LayerOptions {
  readonly samples: readonly (readonly InputPart[])[];
  readonly folder: string;
}

/**
 * Compares the values that both models have by name, worst first. Empty for models in float16, whose
 * values have another type before and after.
 */
export async function measureLayers(
  before: Model,
  after: Model,
  { samples, folder }: LayerOptions,
): Promise<readonly LayerDifference[]> {
  if (before.graph === undefined || after.graph === undefined) return [];
  if (holdsHalf(before.graph) || holdsHalf(after.graph)) return [];
  const layers = sharedLayers(before.graph, after.graph);
  if (layers.length === 0) return [];
  const comparisons = layers.map(() => createComparison());
  const used = samples.slice(0, SAMPLES_MAX);
  const [reference, found] = [
    await valuesOf(before, layers, { samples: used, folder }),
    await valuesOf(after, layers, { samples: used, folder }),
  ];
  for (const [run, values] of reference.entries()) {
    for (const [at, value] of values.entries()) comparisons[at]!.add(value, found[run]![at]!);
  }
  // A pruned layer gives other numbers, not the same ones less precisely.
  const alike = layers.map((_, at) =>
    reference.every((values, run) => values[at]!.length === found[run]![at]!.length),
  );
  return layers
    .map(({ name, operator }, at) => ({ layer: name, operator, ...comparisons[at]!.difference() }))
    .filter((_, at) => alike[at])
    .sort((a, b) => a.sqnrDb - b.sqnrDb);
}

interface Layer {
  readonly name: string;
  readonly operator: string;
}

function sharedLayers(before: Graph, after: Graph): readonly Layer[] {
  const made = new Set(after.nodes.flatMap(({ outputs }) => outputs));
  const ends = new Set([...before.outputs, ...after.outputs].map(({ name }) => name));
  const scope = { constantOf: () => undefined, taken: new Set<string>() };
  const types = createValueTypes(createGraphEditor(before, scope));
  const isFloat = (name: string) => (types.of(name) ?? 'float32') === 'float32';
  return before.nodes
    .filter(({ operator }) => LAYERS.has(operator ?? ''))
    .map(({ outputs, operator = '' }) => ({ name: outputs[0] ?? '', operator }))
    .filter(({ name }) => name !== '' && made.has(name) && !ends.has(name) && isFloat(name))
    .slice(0, LAYERS_MAX);
}

async function valuesOf(
  model: Model,
  layers: readonly Layer[],
  { samples, folder }: LayerOptions,
): Promise<readonly (readonly ArrayLike<number | bigint>[])[]> {
  const graph = model.graph!;
  const added = layers.map(({ name }) => createValueInfo(name, 'float32'));
  const file = join(folder, 'layers.onnx');
  const open = { ...model, graph: { ...graph, outputs: [...graph.outputs, ...added] } };
  await writeFile(file, encodeModel(open));
  const also = layers.map(({ name }) => ({ name, type: 'float32' as const }));
  await using running = await openForRuns(file, graph, { also });
  const runs: (readonly ArrayLike<number | bigint>[])[] = [];
  for (const sample of samples) {
    const outputs = await running.run(sample);
    runs.push(outputs.slice(graph.outputs.length).map(({ data }) => data));
  }
  return runs;
}

function holdsHalf(graph: Graph): boolean {
  const half = elementTypeCode('float16');
  return graph.initializers.some(({ dataType }) => dataType === half);
}
