import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';
import type { FromWorker, ToWorker } from './protocol.ts';

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
  readonly message: ToWorker;
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
  send(errand: Errand): void;
  /** Waits for errands in flight, at most so long, then ends the worker. Idempotent. */
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
  let restarts = 0;
  let startsInVain = 0;
  let timer: NodeJS.Timeout | undefined;
  let worker: Worker | undefined;
  let closing: Promise<void> | undefined;
  let drained: (() => void) | undefined;

  function start(): void {
    const started = new Worker(file, { execArgv: [], name: `ledge-infer-${index}` });
    worker = started;
    let cause: unknown = new Error('the worker ended');
    started.on('message', receive);
    started.on('error', (error) => {
      cause = error;
    });
    started.on('exit', () => {
      if (worker === started) replace('worker-crashed', cause);
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
        const cause = new Error(`no answer within ${errand.timeoutMs} ms`);
        replace('timeout', cause);
      });
    }, errand.timeoutMs);
  }

  function replace(code: Loss['code'], cause: unknown): void {
    end();
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

  /** A worker inside a native run ends only when that run does; nobody waits for it. */
  function end(): void {
    const ended = worker;
    worker = undefined;
    ended?.removeAllListeners('message');
    ended?.terminate().catch(() => undefined);
  }

  async function drainAndEnd(drainMsMax: number): Promise<void> {
    if (errands.length > 0) {
      await new Promise<void>((resolve) => {
        const limit = setTimeout(resolve, drainMsMax);
        drained = () => {
          clearTimeout(limit);
          resolve();
        };
      });
    }
    if (errands.length > 0) return replace('closed', new Error('closed while it ran'));
    const ended = worker;
    worker = undefined;
    await ended?.terminate();
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
      return worker !== undefined;
    },
    get restarts() {
      return restarts;
    },
    send(errand) {
      if (worker === undefined) {
        return errand.lost({ code: 'worker-crashed', started: false, cause: undefined });
      }
      worker.postMessage(errand.message, errand.transfer);
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
