import type { ErrorCode } from '../std/error.ts';
import { LedgeError } from '../std/error.ts';
import type { Run } from './batch.ts';
import { pack, resolveRun } from './batch.ts';
import type { Deployment } from './deployment.ts';
import { countRun } from './deployment.ts';
import type { FromWorker, RunResult } from './protocol.ts';
import type { Request } from './request.ts';
import { createSlabs } from './slabs.ts';
import type { Loss, Thread } from './thread.ts';

/** A request may take down one worker by bad luck; at the second it is the cause. */
const LOSSES_MAX = 1;

export interface DispatchOptions {
  nextId(): number;
  /** A request is to be run again. */
  again(deployment: Deployment, request: Request): void;
  /** A thread has an answer or a new worker: it may take more. */
  free(thread: Thread): void;
}

/** Sends runs of a model to a thread, in one message, and settles their requests. */
export type Dispatch = (deployment: Deployment, thread: Thread, runs: readonly Run[]) => void;

/** Runs travel in recycled buffers, and whoever was in a run that failed is run alone once. */
export function createDispatch({ nextId, again, free }: DispatchOptions): Dispatch {
  const slabs = createSlabs();

  function settle(deployment: Deployment, runs: readonly Run[], results: readonly RunResult[]) {
    for (const [index, run] of runs.entries()) {
      const result = results[index]!;
      if (result.kind === 'ok') {
        const specs = deployment.model.summary.outputs;
        if (resolveRun(run, result.outputs, specs)) continue;
        deployment.rowsFree = false;
      } else if (run.length === 1) {
        run[0]!.reject(failed(deployment, result.message));
        continue;
      }
      for (const request of run) {
        request.alone = true;
        again(deployment, request);
      }
    }
  }

  function lose(deployment: Deployment, request: Request, loss: Loss): void {
    if (loss.started) {
      request.losses += 1;
      request.alone = true;
    }
    const isOver = loss.code === 'closed' || request.losses > LOSSES_MAX || isHandedOver(request);
    if (isOver) request.reject(lost(deployment, loss));
    else again(deployment, request);
  }

  return (deployment, thread, runs) => {
    const { runs: parts, slab, transfer } = pack(runs, deployment.inputs, slabs);
    let rows = 0;
    let isSuspect = false;
    for (const run of runs) {
      for (const request of run) {
        rows += request.rows;
        isSuspect ||= request.losses > 0;
      }
    }
    thread.send({
      message: { kind: 'run', id: nextId(), model: deployment.id, runs: parts, slab },
      transfer,
      timeoutMs: runs[0]![0]!.options.timeoutMs,
      // Nobody is sent behind a request that may take its worker down.
      expectedMs: isSuspect ? Number.POSITIVE_INFINITY : rows * (deployment.rowMs ?? Infinity),
      answered(answer: FromWorker) {
        if (answer.kind !== 'ran') throw new Error(`a run was answered with ${answer.kind}`);
        if (answer.slab !== undefined) slabs.give(answer.slab);
        countRun(deployment, rows, answer.runMs);
        for (const run of runs) for (const request of run) request.onRan?.(answer.runMs);
        free(thread);
        settle(deployment, runs, answer.results);
      },
      lost(loss) {
        for (const run of runs) for (const request of run) lose(deployment, request, loss);
        free(thread);
      },
    });
  };
}

/** Whether a tensor went away with the worker, so that there is nothing to run again. */
function isHandedOver({ inputs }: Request): boolean {
  return inputs.some(({ data, shape }) => data.length === 0 && !shape.includes(0));
}

function failed({ name }: Deployment, message: string): LedgeError {
  return new LedgeError('inference-failed', `Cannot run model "${name}": ${message}`, {
    context: { model: name },
  });
}

const STATES: Readonly<Record<Loss['code'], string>> = {
  'worker-crashed': 'its worker ended during the run',
  timeout: 'the run took too long',
  closed: 'the pool was closed during the run',
};

function lost({ name }: Deployment, { code, cause }: Loss): LedgeError {
  return new LedgeError(code satisfies ErrorCode, `Cannot run model "${name}": ${STATES[code]}`, {
    cause,
    retriable: code === 'worker-crashed',
    context: { model: name },
  });
}
