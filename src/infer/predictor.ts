import type { ModelIdentity } from '../models/manifest.ts';
import type { Priority } from '../std/priority.ts';
import type { NamedTensorSpec, Tensor } from '../tensor/tensor.ts';

export interface PredictOptions {
  /** Decides who gets the next free worker; waiting raises it, so that nobody starves. */
  readonly priority: Priority;
  /** On the monotonic clock (`performance.now()`): not started after it, fails with `expired`. */
  readonly deadlineAtMs?: number;
  /** Told, before the result, how long the run was inside the runtime; its batch counts whole. */
  readonly onRan?: (runMs: number) => void;
  /**
   * Asked of an input that is large enough to be handed over instead of copied, until the run has
   * begun: true where the caller still needs its buffer. Without it no input is kept.
   */
  readonly keeps?: (input: string) => boolean;
}

/** Why a rung was taken up: one word, and the figures behind it. */
export interface RungWhy {
  readonly cause: string;
  readonly detail: string;
}

/** The rungs of a model with a ladder, the most accurate first, and which of them is at work. */
export interface PredictorRungs {
  readonly models: readonly ModelIdentity[];
  /** Place of the one that requests go to. */
  readonly at: number;
  /** Place of the one that it was opened with: the board's, unless the flow or memory had it other. */
  readonly best: number;
  readonly why: RungWhy;
  /** Milliseconds since 1970. */
  readonly since: number;
  /** How often another one was taken up. */
  readonly steps: number;
  /** Why the last move was not made; undefined once one was. */
  readonly refused: string | undefined;
  /**
   * Loads a rung beside the one at work, sends it every request from then on, and unloads the old one
   * once the requests that it has are settled. Fails with LedgeError: memory-exceeded, model-invalid,
   * closed; the old one then stays.
   */
  move(to: number, why: RungWhy): Promise<void>;
}

/** One model, loaded where it belongs. Many flows may share one. */
export interface Predictor {
  /** With a ladder, the rung that a request of this moment goes to. */
  readonly model: ModelIdentity;
  /** Undefined where the model has no ladder. */
  readonly rungs?: PredictorRungs | undefined;
  readonly labels: readonly string[] | undefined;
  readonly inputs: readonly NamedTensorSpec[];
  readonly outputs: readonly NamedTensorSpec[];
  /** Weights, measured activations and buffers, bytes, over all workers it lives on. */
  readonly memoryBytes: number;
  /**
   * Runs one request; requests of many callers may share a batch. The inputs' buffers may be
   * transferred away: the caller must not touch them afterwards, but for those that it `keeps`.
   * Fails with LedgeError: inference-failed, timeout, worker-crashed, expired, shape-mismatch, closed.
   */
  run(
    inputs: Readonly<Record<string, Tensor>>,
    options: PredictOptions,
  ): Promise<Readonly<Record<string, Tensor>>>;
  /** Gives this use of the model back; the last one unloads it. Idempotent. */
  close(): Promise<void>;
}

export interface OpenOptions {
  readonly batch: { readonly sizeMax: number; readonly waitMsMax: number };
  /** One run may take this long before its worker is replaced. */
  readonly timeoutMs: number;
  /** The rung that is asked for by name. Default: the board's. */
  readonly rung?: string | undefined;
}

/** One model of a pool, for status pages and benchmarks. */
export interface ModelStats {
  readonly model: ModelIdentity;
  readonly file: string;
  /** The execution provider that took the model. */
  readonly provider: string;
  /** On how many workers it lives. */
  readonly copies: number;
  readonly intraOpThreads: number;
  /** Whether requests are merged into batches. */
  readonly batched: boolean;
  /** Requests that wait for a worker. */
  readonly queued: number;
  readonly requests: number;
  readonly batches: number;
  /** Rows per message to a worker. */
  readonly batchMean: number;
  /** Moving average of the time of one row inside the runtime; undefined before the first run. */
  readonly rowMs: number | undefined;
  /** Time inside the runtime since the model was opened, over all workers. */
  readonly busyMs: number;
  /** `busyMs` as a share of one worker's time since then: 2 is two workers all the time. */
  readonly busyShare: number;
  readonly memoryBytes: number;
}

export interface WorkerStats {
  /** Messages without an answer yet. */
  readonly inFlight: number;
  readonly running: boolean;
  readonly restarts: number;
  /** Workers that were given up and are still inside the runtime, with their memory. */
  readonly abandoned: number;
}

export interface PoolStats {
  readonly models: readonly ModelStats[];
  readonly workers: readonly WorkerStats[];
  readonly memoryBytes: number;
  readonly memoryBytesMax: number;
}

/** Where models live. */
export interface PredictorPool extends AsyncDisposable {
  /**
   * Opens the model at `path` (a model.yaml, a bare .onnx): verified, admitted, placed, warmed up. Of a
   * ladder, a cheaper rung is taken where one does not fit into memory, unless it was asked for.
   * Fails with LedgeError: not-found, model-invalid, model-refused, memory-exceeded.
   */
  open(path: string, options: OpenOptions): Promise<Predictor>;
  stats(): PoolStats;
}
