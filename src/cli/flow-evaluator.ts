import type { Dataset } from '../evaluate/dataset.ts';
import { type Evaluate, evaluateData, evaluateTests } from '../evaluate/evaluation.ts';
import type { PredictorPool } from '../infer/predictor.ts';
import { loadModel } from '../models/store.ts';
import type { NodeConfig } from '../node/config.ts';
import { closeLoaded } from '../node/flow-load.ts';
import { createPredict } from '../stages/infer/predict.ts';
import { createStages } from '../stages/stages.ts';
import { loadOrFail, openWorkbench } from './flow-folder.ts';

/** A flow that can be asked how it does with other models. */
export interface FlowEvaluator extends AsyncDisposable {
  /** On its own tests and, where given, on labelled data. */
  on(dataset: Dataset | undefined): Evaluate;
}

/** Opens a flow of one model, to be run in this process with other files in that one's place. */
export async function openFlowEvaluator(
  folder: string,
  { config, signal }: { readonly config: NodeConfig; readonly signal: AbortSignal },
): Promise<FlowEvaluator> {
  const workbench = await openWorkbench(config);
  return {
    on: (dataset) => async (file) => {
      const predict = createPredict(substituting(workbench.pool, file));
      const load = { ...workbench.load, stages: createStages({ predict }) };
      const loaded = await loadOrFail(folder, { ...workbench, load });
      try {
        const data = dataset && (await evaluateData(loaded.parts, dataset, signal));
        const tests = await evaluateTests(loaded.parts, folder);
        return [data, tests].filter((found) => found !== undefined);
      } finally {
        await closeLoaded(loaded);
      }
    },
    [Symbol.asyncDispose]: () => workbench[Symbol.asyncDispose](),
  };
}

/** The pool, opening one file for every model asked for; names of classes stay those asked for. */
function substituting(
  pool: Pick<PredictorPool, 'open'>,
  file: string,
): Pick<PredictorPool, 'open'> {
  return {
    async open(path, options) {
      const { labels } = await loadModel(path);
      return { ...(await pool.open(file, options)), labels };
    },
  };
}
