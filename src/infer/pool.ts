import { access } from 'node:fs/promises';
import type { LoadedModel, LoadedRung } from '../models/store.ts';
import { loadModel } from '../models/store.ts';
import { LedgeError } from '../std/error.ts';
import type { Deployment } from './deployment.ts';
import { createDeployment, hasFreeRows, loadOn } from './deployment.ts';
import { openPredictor } from './open-predictor.ts';
import { pickRung } from './pick-rung.ts';
import type { PlacementOptions } from './placement.ts';
import { displace, place } from './placement.ts';
import type { OpenOptions, PoolStats, Predictor, PredictorPool } from './predictor.ts';
import type { RungsOptions, Use } from './rungs.ts';
import { createRungs } from './rungs.ts';
import { BATCH_MS_MAX, Scheduler } from './scheduler.ts';
import { modelStats, workerStats } from './stats.ts';
import { Thread, workerFile } from './thread.ts';

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
  /** Number formats, the fastest first: which rung of a ladder is run. Default: the first. */
  readonly precision?: readonly string[];
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

/**
 * Starts the workers. Models are opened into the pool; disposing of it fails what waits, lets what
 * runs finish, and ends the workers. Dispose of it before the process exits: exiting while a worker
 * is inside the runtime aborts. Throws LedgeError not-found where the worker is not built.
 */
export async function openPool(options: PoolOptions): Promise<Pool> {
  const file = options.workerFile ?? workerFile();
  await access(file).catch((cause: unknown) => {
    throw new LedgeError('not-found', `Cannot start workers: ${file} is not built`, { cause });
  });
  return new WorkerPool({ ...options, workerFile: file });
}

/** One deployment and how often it is open. */
interface Share {
  readonly deployment: Promise<Deployment>;
  users: number;
}

class WorkerPool implements Pool {
  readonly memoryBytesMax: number;
  readonly #options: PoolOptions;
  readonly #deployments = new Set<Deployment>();
  /** By the SHA-256 of the model's file. */
  readonly #shares = new Map<string, Share>();
  readonly #threads: readonly Thread[];
  readonly #scheduler: Scheduler;
  readonly #placement: PlacementOptions;
  readonly #nextId: () => number;
  /** One model after the other, so that the growth of memory is the model's own. */
  #placing: Promise<unknown> = Promise.resolve();
  #closing: Promise<void> | undefined;

  constructor(options: PoolOptions & { readonly workerFile: string }) {
    const { workers, workerFile: file, intraOpThreads, memoryBytesMax } = options;
    this.#options = options;
    this.memoryBytesMax = memoryBytesMax;
    const nextId = counter();
    this.#nextId = nextId;
    this.#scheduler = new Scheduler({
      queueMax: options.queueMax ?? QUEUE_MAX,
      queueBytesMax: options.queueBytesMax ?? QUEUE_BYTES_MAX,
      deployments: () => this.#deployments,
      nextId,
    });
    const replaced = (thread: Thread) => this.#reload(thread);
    const freed = () => this.#scheduler.wake();
    const threads = Array.from(
      { length: workers },
      (_, index) => new Thread({ index, file, replaced, freed }),
    );
    const memoryInUse = () => this.memoryBytes;
    this.#threads = threads;
    this.#placement = { threads, intraOpThreads, memoryBytesMax, memoryInUse, nextId };
  }

  get memoryBytes(): number {
    return [...this.#deployments].reduce((sum, one) => sum + one.memoryBytes, 0);
  }

  stats(): PoolStats {
    return {
      models: [...this.#deployments].map(modelStats),
      workers: this.#threads.map(workerStats),
      memoryBytes: this.memoryBytes,
      memoryBytesMax: this.memoryBytesMax,
    };
  }

  async open(path: string, asked: OpenOptions): Promise<Predictor> {
    if (this.#closing !== undefined) throw closed();
    const model = await loadModel(path);
    const timeoutMax = this.#options.timeoutMs ?? Number.POSITIVE_INFINITY;
    const options = { ...asked, timeoutMs: Math.min(asked.timeoutMs, timeoutMax) };
    const take = (rung: LoadedRung) => this.#take(rung, asked);
    const rungs = createRungs({ model, take, ...(await this.#openFirst(model, asked)) });
    return openPredictor({ model, rungs, scheduler: this.#scheduler, options });
  }

  /** The rung that was asked for; else the board's, the first below it that fits, or above it. */
  async #openFirst(
    model: LoadedModel,
    asked: OpenOptions,
  ): Promise<Pick<RungsOptions, 'first' | 'at' | 'why'>> {
    const { precision = [] } = this.#options;
    const wanted = pickRung(model, { precision, rung: asked.rung });
    const refusals: LedgeError[] = [];
    const places = model.rungs.map((_, place) => place);
    const others = [...places.slice(wanted + 1), ...places.slice(0, wanted).reverse()];
    for (const at of asked.rung === undefined ? [wanted, ...others] : [wanted]) {
      try {
        const first = await this.#take(model.rungs[at]!, asked);
        const cause = asked.rung === undefined ? 'board' : 'flow';
        const detail = refusals.map(({ message }) => message).join('; ');
        return { first, at, why: { cause: refusals.length > 0 ? 'memory' : cause, detail } };
      } catch (error) {
        if (!(error instanceof LedgeError) || error.code !== 'memory-exceeded') throw error;
        refusals.push(error);
      }
    }
    if (refusals.length === 1) throw refusals[0];
    const told = refusals.map(({ message }) => message).join('; ');
    throw new LedgeError('memory-exceeded', told, { context: { ...refusals[0]?.context } });
  }

  /** One more use of a rung, loaded where it is not yet. */
  async #take(rung: LoadedRung, asked: OpenOptions): Promise<Use> {
    const { sha256 } = rung;
    const share = this.#shares.get(sha256) ?? { deployment: this.#deploy(rung, asked), users: 0 };
    this.#shares.set(sha256, share);
    share.users += 1;
    const release = () => this.#release(sha256, share);
    try {
      return { deployment: await share.deployment, release };
    } catch (error) {
      await release();
      throw error;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  #deploy(model: LoadedRung, { batch }: OpenOptions): Promise<Deployment> {
    const deployment = createDeployment(this.#nextId(), model, {
      providers: this.#options.providers,
      intraOpThreads: 1,
      // At least two rows, so that a later use of the model may have batches.
      batchRowsMax: hasFreeRows(model) ? Math.max(2, batch.sizeMax) : 1,
      batchMsMax: batch.waitMsMax > 0 ? Number.POSITIVE_INFINITY : BATCH_MS_MAX,
    });
    const placed = this.#placing.then(async () => {
      if (this.#closing !== undefined) throw closed();
      await place(deployment, this.#placement);
      this.#deployments.add(deployment);
      return deployment;
    });
    this.#placing = placed.catch(() => undefined);
    return placed;
  }

  async #release(sha256: string, share: Share): Promise<void> {
    share.users -= 1;
    if (share.users > 0) return;
    if (this.#shares.get(sha256) === share) this.#shares.delete(sha256);
    const deployment = await share.deployment.catch(() => undefined);
    if (deployment === undefined) return;
    this.#deployments.delete(deployment);
    this.#scheduler.abandon(deployment, closed(deployment.name));
    await displace(deployment, this.#placement);
  }

  /** Gives a new worker the models of the one that died. */
  #reload(thread: Thread): void {
    for (const deployment of this.#deployments) {
      if (!deployment.threads.has(thread)) continue;
      loadOn(thread, deployment, this.#nextId()).then(
        () => this.#scheduler.wake(),
        (error: LedgeError) => {
          if (error.code !== 'model-invalid') return; // Its worker died: the next one loads it.
          deployment.threads.delete(thread);
          if (deployment.threads.size === 0) this.#fail(deployment, error);
        },
      );
    }
  }

  #fail(deployment: Deployment, error: LedgeError): void {
    deployment.failure = error;
    this.#scheduler.abandon(deployment, error);
  }

  async #close(): Promise<void> {
    for (const deployment of this.#deployments) this.#fail(deployment, closed(deployment.name));
    const drainMsMax = this.#options.drainMsMax ?? DRAIN_MS_MAX;
    await Promise.all(this.#threads.map((thread) => thread.close(drainMsMax)));
    await this.#placing;
  }
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
