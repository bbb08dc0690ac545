import type { LoadedRung } from '../models/store.ts';
import { LedgeError } from '../std/error.ts';
import { elementBytes, elementCount, FREE } from '../tensor/tensor.ts';
import type { WarmUp } from './protocol.ts';
import type { RequestQueue } from './queue.ts';
import { createQueue } from './queue.ts';
import type { RequestModel } from './request.ts';
import type { Thread } from './thread.ts';

/** Reading, optimising and warming up the largest model of a board takes less. */
const LOAD_TIMEOUT_MS = 120_000;
/** Weight of the newest run in the moving average of a row's time. */
const NEWEST = 0.1;

/** How a model is run on every thread that has it. */
export interface LoadPlan {
  readonly providers: readonly string[];
  readonly intraOpThreads: number;
  readonly batchRowsMax: number;
  readonly batchMsMax: number;
}

/** A model at work: where it lives, what waits for it, what it takes. */
export interface Deployment extends RequestModel {
  /** How workers know it. */
  readonly id: number;
  readonly model: LoadedRung;
  readonly queue: RequestQueue;
  readonly threads: Set<Thread>;
  readonly openedAtMs: number;
  rowsFree: boolean;
  plan: LoadPlan;
  provider: string;
  /** Moving average; undefined until the first run. */
  rowMs: number | undefined;
  memoryBytes: number;
  requests: number;
  batches: number;
  rows: number;
  busyMs: number;
  /** Set when no thread can load it any more. */
  failure: LedgeError | undefined;
}

/** A deployment without threads. */
export function createDeployment(id: number, model: LoadedRung, plan: LoadPlan): Deployment {
  return {
    id,
    model,
    name: model.identity.name,
    inputs: model.summary.inputs,
    queue: createQueue(),
    threads: new Set(),
    openedAtMs: performance.now(),
    rowsFree: false,
    plan,
    provider: '',
    rowMs: undefined,
    memoryBytes: 0,
    requests: 0,
    batches: 0,
    rows: 0,
    busyMs: 0,
    failure: undefined,
  };
}

/** Whether every input and output has a free first axis; a warm-up must still show that it is rows. */
export function hasFreeRows({ summary }: LoadedRung): boolean {
  return [...summary.inputs, ...summary.outputs].every(({ shape }) => shape[0] === FREE);
}

/** Bytes of the tensors of one row; free dimensions count as one. */
export function rowBytes({ summary }: LoadedRung): number {
  let bytes = 0;
  for (const { type, shape } of [...summary.inputs, ...summary.outputs]) {
    bytes += elementBytes(type) * elementCount(shape.map((size) => (size === FREE ? 1 : size)));
  }
  return bytes;
}

/** Books a run: the moving average follows the machine as it gets hot or busy. */
export function countRun(deployment: Deployment, rows: number, runMs: number): void {
  const rowMs = runMs / rows;
  const before = deployment.rowMs;
  deployment.rowMs = before === undefined ? rowMs : before + (rowMs - before) * NEWEST;
  deployment.rows += rows;
  deployment.batches += 1;
  deployment.busyMs += runMs;
}

/** Loads a deployment's model on a thread. Throws LedgeError model-invalid, worker-crashed. */
export function loadOn(thread: Thread, deployment: Deployment, id: number): Promise<WarmUp> {
  const { model, plan } = deployment;
  const { file, sha256, summary, identity } = model;
  return new Promise((resolve, reject) => {
    thread.send({
      message: {
        kind: 'load',
        id,
        model: deployment.id,
        file,
        sha256,
        ...plan,
        inputs: summary.inputs,
        outputs: summary.outputs,
      },
      transfer: [],
      timeoutMs: LOAD_TIMEOUT_MS,
      expectedMs: Number.POSITIVE_INFINITY,
      answered(answer) {
        if (answer.kind === 'loaded') return resolve(answer.warmUp);
        const state = answer.kind === 'load-failed' ? answer.message : answer.kind;
        const message = `Cannot load model "${identity.name}": ${state}`;
        reject(new LedgeError('model-invalid', message, { context: { file } }));
      },
      lost({ code, cause }) {
        const message = `Cannot load model "${identity.name}": its worker ended`;
        reject(new LedgeError(code, message, { cause, retriable: true, context: { file } }));
      },
    });
  });
}

/** Takes a model off a thread, after what the thread has still to run of it. */
export function unloadFrom(thread: Thread, deployment: Deployment, id: number): Promise<void> {
  return new Promise((resolve) => {
    thread.send({
      message: { kind: 'unload', id, model: deployment.id },
      transfer: [],
      timeoutMs: LOAD_TIMEOUT_MS,
      expectedMs: 0,
      answered: () => resolve(),
      lost: () => resolve(),
    });
  });
}
