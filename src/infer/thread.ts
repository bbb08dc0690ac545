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

export interface ThreadOptions {
  readonly index: number;
  /** The program of the worker, absolute. */
  readonly file: string;
  /** A new worker has taken the place of a dead one and knows no model yet. */
  replaced(thread: Thread): void;
  /** A model was loaded or unloaded: what waited behind that may go on. */
  freed(): void;
}

/** The built program of a worker, absolute. */
export function workerFile(): string {
  return createRequire(import.meta.url).resolve('#worker');
}

/** A place where models run: a worker, and the next one where that dies. */
export class Thread {
  readonly index: number;
  readonly #options: ThreadOptions;
  readonly #errands: Errand[] = [];
  /** The ends of workers that were given up. */
  readonly #leaving = new Set<Promise<void>>();
  #live: LiveWorker | undefined;
  #restarts = 0;
  #startsInVain = 0;
  #timer: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;
  #drained: (() => void) | undefined;

  /** Starts the first worker at once. */
  constructor(options: ThreadOptions) {
    this.index = options.index;
    this.#options = options;
    this.#start();
  }

  /** Errands without an answer yet. */
  get inFlight(): number {
    return this.#errands.length;
  }

  /** How long the errands in flight are thought to take. */
  get expectedMs(): number {
    return this.#errands.reduce((sum, errand) => sum + errand.expectedMs, 0);
  }

  /** False while a worker that keeps dying waits for its next start. */
  get running(): boolean {
    return this.#live !== undefined;
  }

  get restarts(): number {
    return this.#restarts;
  }

  /** Workers that were given up and are still inside the runtime. */
  get abandoned(): number {
    return this.#leaving.size;
  }

  /** Sends an errand; it is answered or lost, once. */
  send(errand: Errand): void {
    if (this.#live === undefined) {
      errand.lost({ code: 'worker-crashed', started: false, cause: undefined });
      return;
    }
    this.#live.worker.postMessage(errand.message, errand.transfer);
    this.#errands.push(errand);
    if (this.#errands.length === 1) this.#watch();
  }

  /**
   * Waits for errands in flight and then for the workers to end, each at most so long. What is
   * inside the runtime after that goes on by itself to the end of its run. Idempotent.
   */
  close(drainMsMax: number): Promise<void> {
    this.#closing ??= this.#drainAndEnd(drainMsMax);
    return this.#closing;
  }

  #start(): void {
    const started = startWorker(this.#options);
    this.#live = started;
    started.worker.on('message', (answer: FromWorker) => {
      if (this.#live === started) this.#receive(answer);
    });
    void started.ended.then((cause) => {
      if (this.#live !== started) return;
      this.#live = undefined;
      this.#replace('worker-crashed', cause);
    });
  }

  #receive(answer: FromWorker): void {
    const errand = this.#errands.shift();
    if (errand?.message.id !== answer.id) throw new Error('a worker answered out of order');
    this.#startsInVain = 0;
    this.#watch();
    errand.answered(answer);
    if (errand.message.kind !== 'run') this.#options.freed();
    if (this.#errands.length === 0) this.#drained?.();
  }

  /** Times the errand that the worker is busy with. */
  #watch(): void {
    clearTimeout(this.#timer);
    const errand = this.#errands[0];
    if (errand === undefined) return;
    this.#timer = setTimeout(() => {
      // Where this thread was busy itself, the answer may already be waiting to be read.
      setImmediate(() => {
        if (this.#errands[0] !== errand) return;
        this.#retire();
        this.#replace('timeout', new Error(`no answer within ${errand.timeoutMs} ms`));
      });
    }, errand.timeoutMs);
  }

  /** Settles what the last worker left and starts the next. */
  #replace(code: Loss['code'], cause: unknown): void {
    const lost = this.#errands.splice(0);
    clearTimeout(this.#timer);
    if (this.#closing === undefined) {
      this.#restarts += 1;
      this.#startsInVain += 1;
      this.#restart();
    }
    for (const [place, errand] of lost.entries()) {
      errand.lost({ code, started: place === 0, cause });
    }
    this.#drained?.();
  }

  #restart(): void {
    const again = () => {
      if (this.#closing !== undefined) return;
      this.#start();
      this.#options.replaced(this);
    };
    const delayMs = RESTART_MS_MIN * 2 ** (this.#startsInVain - 2);
    if (this.#startsInVain < 2) again();
    else setTimeout(again, Math.min(delayMs, RESTART_MS_MAX));
  }

  /** Lets the worker end when it can: the last message it reads. */
  #retire(): void {
    if (this.#live === undefined) return;
    const { worker, retired, ended } = this.#live;
    this.#live = undefined;
    Atomics.store(retired, 0, 1);
    worker.postMessage({ kind: 'quit' } satisfies QuitMessage);
    const left = ended.then(() => void this.#leaving.delete(left));
    this.#leaving.add(left);
  }

  async #drainAndEnd(drainMsMax: number): Promise<void> {
    const idle = new Promise<void>((resolve) => {
      this.#drained = resolve;
      if (this.#errands.length === 0) resolve();
    });
    await within(drainMsMax, idle);
    this.#retire();
    this.#replace('closed', new Error('closed while it ran'));
    await within(drainMsMax, Promise.all(this.#leaving));
  }
}

interface LiveWorker {
  readonly worker: Worker;
  readonly retired: Int32Array;
  /** Resolves with the reason when the worker has ended. */
  readonly ended: Promise<unknown>;
}

function startWorker({ file, index }: ThreadOptions): LiveWorker {
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
