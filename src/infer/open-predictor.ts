import type { LoadedModel } from '../models/store.ts';
import { LedgeError } from '../std/error.ts';
import type { Deployment } from './deployment.ts';
import type { OpenOptions, Predictor } from './predictor.ts';
import type { Outputs } from './request.ts';
import { createRequest } from './request.ts';
import type { Scheduler } from './scheduler.ts';

export interface PredictorOptions {
  readonly model: LoadedModel;
  readonly deployment: Deployment;
  readonly scheduler: Scheduler;
  readonly options: OpenOptions;
  /** This use of the deployment has ended. */
  closed(): Promise<void>;
}

/** One use of a deployed model, under the name that it was opened with. */
export function openPredictor(use: PredictorOptions): Predictor {
  const { model, deployment, scheduler, options } = use;
  let closing: Promise<void> | undefined;
  return {
    model: model.identity,
    labels: model.labels,
    inputs: model.summary.inputs,
    outputs: model.summary.outputs,
    get memoryBytes() {
      return deployment.memoryBytes;
    },
    run(inputs, { priority, deadlineAtMs = Number.POSITIVE_INFINITY, onRan, keeps }) {
      return new Promise<Outputs>((resolve, reject) => {
        if (closing !== undefined) throw closedError(model);
        if (deployment.failure !== undefined) throw deployment.failure;
        const asked = { priority, deadlineAtMs, onRan, keeps, options, resolve, reject };
        scheduler.submit(deployment, createRequest(deployment, inputs, asked));
      });
    },
    close() {
      closing ??= use.closed();
      return closing;
    },
  };
}

function closedError({ identity }: LoadedModel): LedgeError {
  return new LedgeError('closed', `Cannot run model "${identity.name}": it was closed`);
}
