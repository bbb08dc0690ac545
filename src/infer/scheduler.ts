import { LedgeError } from '../std/error.ts';
import { gather } from './batch.ts';
import type { Deployment } from './deployment.ts';
import { createDispatch, type Dispatch } from './dispatch.ts';
import type { Request } from './request.ts';
import type { Thread } from './thread.ts';

/**
 * No batch is made longer than this, unless its model asks to be waited for: a request of higher
 * priority waits for what is on the worker, and a slow model gains nothing from batches.
 */
export const BATCH_MS_MAX = 10;
/** A worker gets its next batch ahead of time where it has no more than this to do. */
const AHEAD_MS_MAX = 20;
/** One batch that runs and one that is there when it ends. */
const IN_FLIGHT_MAX = 2;

export interface SchedulerOptions {
  /** Requests that wait, over all models. */
  readonly queueMax: number;
  readonly queueBytesMax: number;
  deployments(): Iterable<Deployment>;
  nextId(): number;
}

/** Decides which request runs next: the first by rank gets the next free thread with its model. */
export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #dispatch: Dispatch;
  #waiting = 0;
  #waitingBytes = 0;
  #scheduled = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#dispatch = createDispatch({
      nextId: options.nextId,
      again: (deployment, request) => this.#takeBack(deployment, request),
      free: (thread) => {
        if (thread.inFlight === 0) this.#startAll();
        else this.wake();
      },
    });
  }

  /** Takes a request in. Throws LedgeError overflow. */
  submit(deployment: Deployment, request: Request): void {
    const bytes = this.#waitingBytes + request.bytes;
    if (this.#waiting >= this.#options.queueMax || bytes > this.#options.queueBytesMax) {
      throw overflow(deployment, this.#waiting, this.#waitingBytes);
    }
    deployment.requests += 1;
    this.#count(request, 1);
    deployment.queue.push(request);
    this.wake();
  }

  /** Looks for work after this turn of the event loop: what arrives in it shares a batch. */
  wake(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#startAll();
    });
  }

  /** Fails everything that waits for a model. */
  abandon(deployment: Deployment, error: LedgeError): void {
    for (const request of deployment.queue.drain()) {
      this.#count(request, -1);
      request.reject(error);
    }
  }

  #takeBack(deployment: Deployment, request: Request): void {
    if (deployment.failure !== undefined) {
      request.reject(deployment.failure);
      return;
    }
    this.#count(request, 1);
    deployment.queue.putBack(request);
    this.wake();
  }

  #count(request: Request, sign: 1 | -1): void {
    this.#waiting += sign;
    this.#waitingBytes += sign * request.bytes;
  }

  #startAll(): void {
    const nowMs = performance.now();
    let next = this.#choose(nowMs);
    while (next !== undefined) {
      this.#start(next, nowMs);
      next = this.#choose(nowMs);
    }
  }

  #choose(nowMs: number): Choice | undefined {
    let choice: Choice | undefined;
    let rank = Number.POSITIVE_INFINITY;
    let readyAtMs = Number.POSITIVE_INFINITY;
    for (const deployment of this.#options.deployments()) {
      const head = deployment.queue.peek();
      if (head === undefined || head.rank >= rank) continue;
      const headReadyAtMs = readyAt(deployment, head);
      if (headReadyAtMs > nowMs) {
        readyAtMs = Math.min(readyAtMs, headReadyAtMs);
        continue;
      }
      const found = freeThread(deployment, head);
      if (found === undefined) continue;
      choice = { deployment, head, ...found };
      rank = head.rank;
    }
    if (choice === undefined && readyAtMs < Number.POSITIVE_INFINITY) {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.wake(), Math.ceil(readyAtMs - nowMs));
    }
    return choice;
  }

  #start({ deployment, head, thread, idle }: Choice, nowMs: number): void {
    const { queue } = deployment;
    const { length, bytes } = queue;
    const share = Math.ceil(queue.rows / Math.max(1, idle));
    const runs = gather(queue, {
      rowsMax: Math.min(share, rowsMax(deployment, head)),
      merge: deployment.rowsFree,
      nowMs,
      expired: (request) => request.reject(expired(deployment, request, nowMs)),
    });
    this.#waiting -= length - queue.length;
    this.#waitingBytes -= bytes - queue.bytes;
    if (runs.length > 0) this.#dispatch(deployment, thread, runs);
  }
}

interface Choice {
  readonly deployment: Deployment;
  readonly head: Request;
  readonly thread: Thread;
  /** Threads that have the model and nothing to do: they share what waits. */
  readonly idle: number;
}

/** When the first request of a model may go: at once, or when its batch is full or has waited. */
function readyAt(deployment: Deployment, head: Request): number {
  const { waitMsMax } = head.options.batch;
  const isFull = deployment.queue.rows >= rowsMax(deployment, head);
  if (waitMsMax === 0 || !deployment.rowsFree || head.alone || isFull) return 0;
  return Math.min(head.enqueuedAtMs + waitMsMax, head.deadlineAtMs);
}

function rowsMax({ rowMs }: Deployment, { options: { batch } }: Request): number {
  if (batch.waitMsMax > 0) return batch.sizeMax;
  if (rowMs === undefined) return 1;
  return Math.max(1, Math.min(batch.sizeMax, Math.floor(BATCH_MS_MAX / rowMs)));
}

/** An idle thread, else one that will soon be; only an idle one for whoever lost a worker before. */
function freeThread(
  deployment: Deployment,
  head: Request,
): { thread: Thread; idle: number } | undefined {
  let free: Thread | undefined;
  let ahead: Thread | undefined;
  let idle = 0;
  for (const thread of deployment.threads) {
    if (!thread.running) continue;
    if (thread.inFlight === 0) {
      free ??= thread;
      idle += 1;
    } else if (thread.inFlight < IN_FLIGHT_MAX && thread.expectedMs <= AHEAD_MS_MAX) {
      if (ahead === undefined || thread.expectedMs < ahead.expectedMs) ahead = thread;
    }
  }
  const thread = free ?? (head.losses > 0 ? undefined : ahead);
  return thread && { thread, idle };
}

function expired({ name }: Deployment, request: Request, nowMs: number): LedgeError {
  const waitedMs = Math.round(nowMs - request.enqueuedAtMs);
  const state = `the deadline passed while it waited ${waitedMs} ms for a worker`;
  return new LedgeError('expired', `Cannot run model "${name}": ${state}`, {
    context: { model: name, waitedMs },
  });
}

function overflow({ name }: Deployment, waiting: number, bytes: number): LedgeError {
  const state = `${waiting} requests of ${bytes} bytes already wait for workers`;
  return new LedgeError('overflow', `Cannot run model "${name}": ${state}`, {
    retriable: true,
    context: { model: name, waiting, bytes },
  });
}
