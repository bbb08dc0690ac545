import type { Deployment } from './deployment.ts';
import type { ModelStats, WorkerStats } from './predictor.ts';
import type { Thread } from './thread.ts';

/** The figures of a deployment. */
export function modelStats(deployment: Deployment): ModelStats {
  const { model, plan, batches, rows, busyMs } = deployment;
  return {
    model: model.identity,
    file: model.file,
    provider: deployment.provider,
    copies: deployment.threads.size,
    intraOpThreads: plan.intraOpThreads,
    batched: deployment.rowsFree,
    queued: deployment.queue.length,
    requests: deployment.requests,
    batches,
    batchMean: batches === 0 ? 0 : rows / batches,
    rowMs: deployment.rowMs,
    busyMs,
    busyShare: busyMs / Math.max(1, performance.now() - deployment.openedAtMs),
    memoryBytes: deployment.memoryBytes,
  };
}

/** The figures of a thread. */
export function workerStats({ inFlight, running, restarts, abandoned }: Thread): WorkerStats {
  return { inFlight, running, restarts, abandoned };
}
