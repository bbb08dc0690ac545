import type { OnnxLimits } from './graph.ts';
import { requiredInputs, specOf } from './graph.ts';
import type { ModelProblem } from './inspect.ts';
import type { Model } from './proto.ts';

export interface CheckOptions {
  readonly folder: string | undefined;
  readonly limits: OnnxLimits;
}

/** Every reason why onnxruntime-node would fail on a model, or die of it. Empty: admitted. */
export async function checkModel(model: Model, _options: CheckOptions): Promise<ModelProblem[]> {
  const graph = model.graph;
  if (graph === undefined) return [{ where: 'file', message: 'the model has no graph' }];
  return [...requiredInputs(graph), ...graph.outputs]
    .filter((value) => specOf(value) === undefined)
    .map((value) => ({ where: value.name ?? '', message: 'not a tensor Ledge can pass' }));
}
