import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';
import type { FromWorker, QuitMessage, ToWorker, WorkerStart } from './protocol.ts';

/** A worker that dies before it has answered anything is started again after this, then doubled. */
const RESTART_MS_MIN = 100;
/** However often it dies: a node whose runtime comes back recovers within this. */
const RESTART_MS_MAX = 10_000;

/** Why an errand has no answer. */
export interface Loss {
  readonly code: 'worker-crashed' | 'timeout' | 'closed';
  /** False where the worker had not begun with it: it is not at fault. */
  readonly started: boolean;
  readonly cause: unknown;
}

/** One message to a worker and what becomes of it. */
export interface Errand {
  readonly message: Exclude<ToWorker, QuitMessage>;
  readonly transfer: readonly ArrayBuffer[];
  /** From the moment the worker begins with it. */
  readonly timeoutMs: number;
  /** How long it is thought to take; Infinity keeps others from being sent behind it. */
  readonly expectedMs: number;
  answered(answer: FromWorker): void;
  lost(loss: Loss): void;
}

/** A place where models run: a worker, and the next one where that dies. */
export interface Thread {
  readonly index: number;
  /** Errands without an answer yet. */
  readonly inFlight: number;
  readonly expectedMs: number;
  /** False while a worker that keeps dying waits for its next start. */
  readonly running: boolean;
  readonly restarts: number;
  /** Workers that were given up and are still inside the runtime. */
  readonly abandoned: number;
  send(errand: Errand): void;
  /**
   * Waits for errands in flight and then for the workers to end, each at most so long. What is
   * inside the runtime after that goes on by itself to the end of its run. Idempotent.
   */
  close(drainMsMax: number): Promise<void>;
}

export interface ThreadOptions {
  readonly index: number;
  /** The program of the worker, absolute. */
  readonly file: string;
  /** A new worker has taken the place of a dead one and knows no model yet. */
  replaced(thread: Thread): void;
}

/** The built program of a worker, absolute. */
export function workerFile(): string {
  return createRequire(import.meta.url).resolve('#worker');
}

/** Starts a worker and keeps one running until it is closed. */
export function openThread({ index, file, replaced }: ThreadOptions): Thread {
  const errands: Errand[] = [];
  const leaving = new Set<Promise<void>>();
  let restarts = 0;
  let startsInVain = 0;
  let timer: NodeJS.Timeout | undefined;
  let live: LiveWorker | undefined;
  let closing: Promise<void> | undefined;
  let drained: (() => void) | undefined;

  function start(): void {
    const started = startWorker(file, index);
    live = started;
    started.worker.on('message', (answer: FromWorker) => {
      if (live === started) receive(answer);
    });
    void started.ended.then((cause) => {
      if (live !== started) return;
      live = undefined;
      replace('worker-crashed', cause);
    });
  }

  function receive(answer: FromWorker): void {
    const errand = errands.shift();
    if (errand?.message.id !== answer.id) throw new Error('a worker answered out of order');
    startsInVain = 0;
    watch();
    errand.answered(answer);
    if (errands.length === 0) drained?.();
  }

  /** Times the errand that the worker is busy with. */
  function watch(): void {
    clearTimeout(timer);
    const errand = errands[0];
    if (errand === undefined) return;
    timer = setTimeout(() => {
      // Where this thread was busy itself, the answer may already be waiting to be read.
      setImmediate(() => {
        if (errands[0] !== errand) return;
        retire();
        replace('timeout', new Error(`no answer within ${errand.timeoutMs} ms`));
      });
    }, errand.timeoutMs);
  }

  /** Settles what the last worker left and starts the next. */
  function replace(code: Loss['code'], cause: unknown): void {
    const lost = errands.splice(0);
    clearTimeout(timer);
    if (closing === undefined) {
      restarts += 1;
      startsInVain += 1;
      restart();
    }
    for (const [place, errand] of lost.entries()) {
      errand.lost({ code, started: place === 0, cause });
    }
    drained?.();
  }

  function restart(): void {
    const delayMs = startsInVain < 2 ? 0 : RESTART_MS_MIN * 2 ** (startsInVain - 2);
    const again = () => {
      if (closing !== undefined) return;
      start();
      replaced(thread);
    };
    if (delayMs === 0) again();
    else setTimeout(again, Math.min(delayMs, RESTART_MS_MAX));
  }

  /** Lets the worker end when it can: the last message it reads. */
  function retire(): void {
    if (live === undefined) return;
    const { worker, retired, ended } = live;
    live = undefined;
    Atomics.store(retired, 0, 1);
    worker.postMessage({ kind: 'quit' } satisfies QuitMessage);
    const left = ended.then(() => void leaving.delete(left));
    leaving.add(left);
  }

  async function drainAndEnd(drainMsMax: number): Promise<void> {
    const idle = new Promise<void>((resolve) => {
      drained = resolve;
      if (errands.length === 0) resolve();
    });
    await within(drainMsMax, idle);
    retire();
    replace('closed', new Error('closed while it ran'));
    await within(drainMsMax, Promise.all(leaving));
  }

  const thread: Thread = {
    index,
    get inFlight() {
      return errands.length;
    },
    get expectedMs() {
      return errands.reduce((sum, errand) => sum + errand.expectedMs, 0);
    },
    get running() {
      return live !== undefined;
    },
    get restarts() {
      return restarts;
    },
    get abandoned() {
      return leaving.size;
    },
    send(errand) {
      if (live === undefined) {
        return errand.lost({ code: 'worker-crashed', started: false, cause: undefined });
      }
      live.worker.postMessage(errand.message, errand.transfer);
      errands.push(errand);
      if (errands.length === 1) watch();
    },
    close(drainMsMax) {
      closing ??= drainAndEnd(drainMsMax);
      return closing;
    },
  };
  start();
  return thread;
}

interface LiveWorker {
  readonly worker: Worker;
  readonly retired: Int32Array;
  /** Resolves with the reason when the worker has ended. */
  readonly ended: Promise<unknown>;
}

function startWorker(file: string, index: number): LiveWorker {
  const shared = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
  const workerData: WorkerStart = { retired: shared };
  const worker = new Worker(file, { execArgv: [], name: `ledge-infer-${index}`, workerData });
  const ended = new Promise<unknown>((resolve) => {
    let cause: unknown = new Error('the worker ended');
    worker.on('error', (error) => {
      cause = error;
    });
    worker.on('exit', () => resolve(cause));
  });
  return { worker, retired: new Int32Array(shared), ended };
}

/** Waits for a promise, at most so long. */
async function within(milliseconds: number, promise: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  await Promise.race([promise, limit]);
  clearTimeout(timer);
}
