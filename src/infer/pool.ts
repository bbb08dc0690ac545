import { access } from 'node:fs/promises';
import type { LoadedModel } from '../models/store.ts';
import { loadModel } from '../models/store.ts';
import { LedgeError } from '../std/error.ts';
import type { Deployment } from './deployment.ts';
import { createDeployment, hasFreeRows, loadOn } from './deployment.ts';
import { openPredictor } from './open-predictor.ts';
import type { PlacementOptions } from './placement.ts';
import { displace, place } from './placement.ts';
import type { OpenOptions, Predictor, PredictorPool } from './predictor.ts';
import { BATCH_MS_MAX, createScheduler } from './scheduler.ts';
import { modelStats } from './stats.ts';
import type { Thread } from './thread.ts';
import { openThread, workerFile } from './thread.ts';

/** Requests that wait for workers, over all models: two seconds of the fastest model there is. */
export const QUEUE_MAX = 16_384;
/** Their tensors together: a small board can spare this. */
export const QUEUE_BYTES_MAX = 134_217_728;
/** At the end, what runs may finish within this. */
export const DRAIN_MS_MAX = 5_000;

export interface PoolOptions {
  /** Worker threads; small models live on each of them. */
  readonly workers: number;
  /** Cores for one run of a large model. */
  readonly intraOpThreads: number;
  /** Execution providers in the order in which they are tried, at least `cpu`. */
  readonly providers: readonly string[];
  /** What all models together may need. */
  readonly memoryBytesMax: number;
  /** No run may take longer, whatever its model asks for. Default: no such limit. */
  readonly timeoutMs?: number;
  readonly queueMax?: number;
  readonly queueBytesMax?: number;
  readonly drainMsMax?: number;
  /** The program of the workers, absolute. Default: the built infer/worker. */
  readonly workerFile?: string;
}

/** A pool with its figures at hand. */
export interface Pool extends PredictorPool {
  readonly memoryBytes: number;
  readonly memoryBytesMax: number;
}

/** One deployment and who uses it. */
interface Share {
  readonly deployment: Promise<Deployment>;
  users: number;
}

/**
 * Starts the workers. Models are opened into the pool; disposing of it fails what waits, lets what
 * runs finish, and ends the workers. Throws LedgeError not-found where the worker is not built.
 */
export async function openPool(options: PoolOptions): Promise<Pool> {
  const file = options.workerFile ?? workerFile();
  await access(file).catch((cause: unknown) => {
    throw new LedgeError('not-found', `Cannot start workers: ${file} is not built`, { cause });
  });
  const deployments = new Set<Deployment>();
  const shares = new Map<string, Share>();
  const nextId = counter();
  const memoryBytes = () => [...deployments].reduce((sum, one) => sum + one.memoryBytes, 0);
  const scheduler = createScheduler({
    queueMax: options.queueMax ?? QUEUE_MAX,
    queueBytesMax: options.queueBytesMax ?? QUEUE_BYTES_MAX,
    deployments: () => deployments,
    nextId,
  });
  const threads = Array.from({ length: options.workers }, (_, index) =>
    openThread({ index, file, replaced: reload }),
  );
  const placement: PlacementOptions = {
    threads,
    intraOpThreads: options.intraOpThreads,
    memoryBytesMax: options.memoryBytesMax,
    memoryInUse: memoryBytes,
    nextId,
  };
  let placing: Promise<unknown> = Promise.resolve();
  let closing: Promise<void> | undefined;

  /** One model after the other, so that the growth of memory is the model's own. */
  function deploy(model: LoadedModel, { batch }: OpenOptions): Promise<Deployment> {
    const batchRowsMax = hasFreeRows(model) ? batch.sizeMax : 1;
    const deployment = createDeployment(nextId(), model, {
      providers: options.providers,
      intraOpThreads: 1,
      batchRowsMax,
      batchMsMax: batch.waitMsMax > 0 ? Number.POSITIVE_INFINITY : BATCH_MS_MAX,
    });
    const placed = placing.then(async () => {
      if (closing !== undefined) throw closed();
      await place(deployment, placement);
      deployments.add(deployment);
      return deployment;
    });
    placing = placed.catch(() => undefined);
    return placed;
  }

  /** Gives a new worker the models of the one that died. */
  function reload(thread: Thread): void {
    for (const deployment of deployments) {
      if (!deployment.threads.has(thread)) continue;
      loadOn(thread, deployment, nextId()).then(scheduler.wake, (error: LedgeError) => {
        if (error.code !== 'model-invalid') return; // The worker died again: so it is loaded again.
        deployment.threads.delete(thread);
        if (deployment.threads.size > 0) return;
        deployment.failure = error;
        scheduler.abandon(deployment, error);
      });
    }
  }

  async function open(path: string, asked: OpenOptions): Promise<Predictor> {
    if (closing !== undefined) throw closed();
    const model = await loadModel(path);
    const timeoutMs = Math.min(asked.timeoutMs, options.timeoutMs ?? Number.POSITIVE_INFINITY);
    const share = shares.get(model.sha256) ?? {
      deployment: deploy(model, asked),
      users: 0,
    };
    shares.set(model.sha256, share);
    share.users += 1;
    try {
      const deployment = await share.deployment;
      return openPredictor({
        model,
        deployment,
        scheduler,
        options: { ...asked, timeoutMs },
        closed: () => release(model.sha256, share),
      });
    } catch (error) {
      await release(model.sha256, share);
      throw error;
    }
  }

  async function release(sha256: string, share: Share): Promise<void> {
    share.users -= 1;
    if (share.users > 0) return;
    if (shares.get(sha256) === share) shares.delete(sha256);
    const deployment = await share.deployment.catch(() => undefined);
    if (deployment === undefined) return;
    deployments.delete(deployment);
    scheduler.abandon(deployment, closed(deployment.name));
    await displace(deployment, placement);
  }

  async function close(): Promise<void> {
    for (const deployment of deployments) {
      deployment.failure = closed(deployment.name);
      scheduler.abandon(deployment, deployment.failure);
    }
    await Promise.all(threads.map((thread) => thread.close(options.drainMsMax ?? DRAIN_MS_MAX)));
    await placing;
  }

  return {
    open,
    stats: () => ({
      models: [...deployments].map(modelStats),
      workers: threads.map(({ inFlight, running, restarts, abandoned }) => ({
        inFlight,
        running,
        restarts,
        abandoned,
      })),
      memoryBytes: memoryBytes(),
      memoryBytesMax: options.memoryBytesMax,
    }),
    get memoryBytes() {
      return memoryBytes();
    },
    memoryBytesMax: options.memoryBytesMax,
    [Symbol.asyncDispose]() {
      closing ??= close();
      return closing;
    },
  };
}

function counter(): () => number {
  let last = 0;
  return () => {
    last += 1;
    return last;
  };
}

function closed(model?: string): LedgeError {
  const action = model === undefined ? 'Cannot open a model' : `Cannot run model "${model}"`;
  return new LedgeError('closed', `${action}: it was closed`);
}
