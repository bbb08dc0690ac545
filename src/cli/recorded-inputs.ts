import { caseEvents } from '../flow/case.ts';
import { createPlan } from '../flow/plan.ts';
import { createMemoryState } from '../flow/state.ts';
import type { Predictor, PredictorPool } from '../infer/predictor.ts';
import type { InputPart } from '../infer/protocol.ts';
import type { NodeConfig } from '../node/config.ts';
import { closeLoaded } from '../node/flow-load.ts';
import { createPredict } from '../stages/infer/predict.ts';
import { createStages } from '../stages/stages.ts';
import { LedgeError } from '../std/error.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { loadOrFail, openWorkbench, type Workbench } from './flow-folder.ts';

/** More inputs make calibration slower and hardly better. */
const INPUTS_MAX = 64;

/** What a flow gives its model when its own test events go through it. */
export interface Recorded {
  /** model.yaml or a bare .onnx, as the flow names it. */
  readonly path: string;
  readonly samples: readonly (readonly InputPart[])[];
}

/** Runs a flow's test events and keeps what its model gets. Throws `unsupported` unless there is one. */
export async function recordInputs(folder: string, config: NodeConfig): Promise<Recorded> {
  const [first, second] = await recordAllInputs(folder, config);
  if (first !== undefined && second === undefined) return first;
  const state = first === undefined ? 'it has no model' : 'it has several models: name one file';
  throw new LedgeError('unsupported', `Cannot compress the flow's model: ${state}`);
}

/** The same for each model of a flow; none where it has none. */
export async function recordAllInputs(
  folder: string,
  config: NodeConfig,
): Promise<readonly Recorded[]> {
  await using workbench = await openWorkbench(config);
  const records = new Map<string, (readonly InputPart[])[]>();
  const stages = createStages({ predict: createPredict(recording(workbench, records)) });
  const loaded = await loadOrFail(folder, { ...workbench, load: { ...workbench.load, stages } });
  for (const test of loaded.parts.tests) {
    const plan = createPlan(loaded.parts, createMemoryState());
    for await (const event of caseEvents(test, folder)) await plan.process(event);
  }
  await closeLoaded(loaded);
  return [...records].map(([path, samples]) => ({ path, samples }));
}

/** The pool, noting every input of every model. */
function recording(
  { pool }: Workbench,
  records: Map<string, (readonly InputPart[])[]>,
): Pick<PredictorPool, 'open'> {
  return {
    async open(path, options) {
      const predictor = await pool.open(path, options);
      const kept: (readonly InputPart[])[] = [];
      records.set(path, kept);
      const run: Predictor['run'] = (inputs, more) => {
        if (kept.length < INPUTS_MAX)
          kept.push(predictor.inputs.map(({ name }) => copied(inputs[name])));
        return predictor.run(inputs, more);
      };
      return { ...predictor, run };
    },
  };
}

/** The runtime's thread may take the buffer away. */
function copied(tensor: Tensor | undefined): InputPart {
  if (tensor === undefined) throw new TypeError('an input of the model is missing');
  const { data, shape } = tensor;
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { shape, buffer: new Uint8Array(bytes).buffer, byteOffset: 0 };
}
