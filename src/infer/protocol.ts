import type { NamedTensorSpec, TensorData } from '../tensor/tensor.ts';

/** What a worker needs to load a model. */
export interface LoadMessage {
  readonly kind: 'load';
  readonly id: number;
  /** How runs name the model. */
  readonly model: number;
  readonly file: string;
  /** The file must still have this SHA-256: a worker may be replaced long after the first load. */
  readonly sha256: string;
  /** Execution providers in the order in which they are tried. */
  readonly providers: readonly string[];
  readonly intraOpThreads: number;
  readonly inputs: readonly NamedTensorSpec[];
  readonly outputs: readonly NamedTensorSpec[];
  /** Rows of the largest batch there will be; 1 where requests are never merged. */
  readonly batchRowsMax: number;
  /** A batch that would take longer than this is never made, so it is not warmed up. */
  readonly batchMsMax: number;
}

/** One tensor of a run, in the model's order; its element type is the model's. */
export interface InputPart {
  readonly shape: readonly number[];
  readonly buffer: ArrayBuffer;
  readonly byteOffset: number;
}

/** Runs of one model, one after the other, for one answer. */
export interface RunMessage {
  readonly kind: 'run';
  readonly id: number;
  readonly model: number;
  readonly runs: readonly (readonly InputPart[])[];
  /** Comes back with the answer, to be used again. */
  readonly slab: ArrayBuffer | undefined;
}

export interface UnloadMessage {
  readonly kind: 'unload';
  readonly id: number;
  readonly model: number;
}

/**
 * The last message: the worker ends by itself. It is never terminated from outside: that aborts the
 * whole process when the worker is inside the runtime at that moment.
 */
export interface QuitMessage {
  readonly kind: 'quit';
}

/** What the pool says to a worker. Every message but `quit` has an answer with its id, in order. */
export type ToWorker = LoadMessage | RunMessage | UnloadMessage | QuitMessage;

/** What a worker is started with. */
export interface WorkerStart {
  /** An Int32Array of one; not 0: the worker was given up, runs that it has not begun are not its. */
  readonly retired: SharedArrayBuffer;
}

/** What was measured while a model warmed up. */
export interface WarmUp {
  /** The provider that took the model. */
  readonly provider: string;
  /** One run of one row; undefined where zeros of the smallest shape do not run. */
  readonly runMs: number | undefined;
  /** Growth of the process's resident memory over load and warm-up. */
  readonly residentBytes: number;
  /** Whether a batch gives each row the result that it has alone. */
  readonly rowsIndependent: boolean;
}

export interface OutputPart {
  readonly shape: readonly number[];
  readonly data: TensorData;
}

export type RunResult =
  | { readonly kind: 'ok'; readonly outputs: readonly OutputPart[] }
  | { readonly kind: 'failed'; readonly message: string };

/** What a worker answers. */
export type FromWorker =
  | { readonly kind: 'loaded'; readonly id: number; readonly warmUp: WarmUp }
  | { readonly kind: 'load-failed'; readonly id: number; readonly message: string }
  | {
      readonly kind: 'ran';
      readonly id: number;
      readonly results: readonly RunResult[];
      readonly runMs: number;
      readonly slab: ArrayBuffer | undefined;
    }
  | { readonly kind: 'unloaded'; readonly id: number };
