import type { LoadedModel } from '../models/store.ts';
import { LedgeError } from '../std/error.ts';
import type { OpenOptions, Predictor } from './predictor.ts';
import type { Outputs } from './request.ts';
import { createRequest } from './request.ts';
import type { UsedRungs } from './rungs.ts';
import type { Scheduler } from './scheduler.ts';

export interface PredictorOptions {
  readonly model: LoadedModel;
  /** Of a model without a ladder there is one. */
  readonly rungs: UsedRungs;
  readonly scheduler: Scheduler;
  readonly options: OpenOptions;
}

/** One use of a deployed model, under the name that it was opened with. */
export function openPredictor({ model, rungs, scheduler, options }: PredictorOptions): Predictor {
  const hasLadder = model.rungs.length > 1;
  let closing: Promise<void> | undefined;
  return {
    get model() {
      return rungs.models[rungs.at]!;
    },
    rungs: hasLadder ? rungs : undefined,
    labels: model.labels,
    inputs: model.summary.inputs,
    outputs: model.summary.outputs,
    get memoryBytes() {
      return rungs.deployment.memoryBytes;
    },
    run(inputs, { priority, deadlineAtMs = Number.POSITIVE_INFINITY, onRan, keeps }) {
      return new Promise<Outputs>((resolve, reject) => {
        const { deployment } = rungs;
        if (closing !== undefined) throw closedError(model);
        if (deployment.failure !== undefined) throw deployment.failure;
        const asked = { priority, deadlineAtMs, onRan, keeps, options, resolve, reject };
        const request = createRequest(deployment, inputs, asked);
        if (!hasLadder) scheduler.submit(deployment, request);
        else rungs.submit(request, (counted) => scheduler.submit(deployment, counted));
      });
    },
    close() {
      closing ??= rungs.close();
      return closing;
    },
  };
}

function closedError({ identity }: LoadedModel): LedgeError {
  return new LedgeError('closed', `Cannot run model "${identity.name}": it was closed`);
}
