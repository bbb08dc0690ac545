import { LedgeError } from '../std/error.ts';
import type { Priority } from '../std/priority.ts';
import type { NamedTensorSpec, Tensor } from '../tensor/tensor.ts';
import { FREE, formatShape } from '../tensor/tensor.ts';
import type { OpenOptions, PredictOptions } from './predictor.ts';

/**
 * Waiting this long is worth one step of priority: a voice command overtakes frames that came up to
 * twice this before it, and a frame waits at most that much longer than in a queue without priority.
 */
export const AGEING_MS = 500;

const STEPS: Readonly<Record<Priority, number>> = { high: 2, normal: 1, low: 0 };

export type Outputs = Readonly<Record<string, Tensor>>;

/** One call of a predictor's `run`, on its way through queue, batch and worker. */
export interface Request {
  /** In the model's order. */
  readonly inputs: readonly Tensor[];
  /** Size of axis 0 where requests of this model may share a batch, else 1. */
  readonly rows: number;
  readonly bytes: number;
  readonly priority: Priority;
  readonly enqueuedAtMs: number;
  /** The smallest goes first: arrival on the monotonic clock, moved ahead by priority. */
  readonly rank: number;
  readonly deadlineAtMs: number;
  readonly options: OpenOptions;
  /** Runs that ended with the worker. */
  losses: number;
  /** Never in a batch again: one of a batch was at fault. */
  alone: boolean;
  readonly onRan: PredictOptions['onRan'] | undefined;
  readonly keeps?: PredictOptions['keeps'] | undefined;
  resolve(outputs: Outputs): void;
  reject(error: LedgeError): void;
}

/** What a request's tensors are checked against. */
export interface RequestModel {
  readonly name: string;
  readonly inputs: readonly NamedTensorSpec[];
  readonly rowsFree: boolean;
}

/** What a caller asks for, and where the answer goes. */
export interface Asked extends Required<Omit<PredictOptions, 'onRan' | 'keeps'>> {
  readonly onRan: PredictOptions['onRan'] | undefined;
  readonly keeps?: PredictOptions['keeps'] | undefined;
  readonly options: OpenOptions;
  resolve(outputs: Outputs): void;
  reject(error: LedgeError): void;
}

/** Checks the tensors and gives what the queue needs. Throws LedgeError shape-mismatch. */
export function createRequest(
  model: RequestModel,
  tensors: Readonly<Record<string, Tensor>>,
  asked: Asked,
): Request {
  const inputs: Tensor[] = [];
  let bytes = 0;
  for (const spec of model.inputs) {
    const tensor = tensors[spec.name];
    if (tensor === undefined) throw mismatch(model, `input "${spec.name}" is missing`);
    checkTensor(model, spec, tensor);
    bytes += tensor.data.byteLength;
    inputs.push(tensor);
  }
  const rows = model.rowsFree ? commonRows(model, inputs) : 1;
  const enqueuedAtMs = performance.now();
  return {
    inputs,
    rows,
    bytes,
    priority: asked.priority,
    enqueuedAtMs,
    rank: rankOf(asked.priority, enqueuedAtMs),
    deadlineAtMs: asked.deadlineAtMs,
    options: asked.options,
    losses: 0,
    alone: false,
    onRan: asked.onRan,
    keeps: asked.keeps,
    resolve: asked.resolve,
    reject: asked.reject,
  };
}

/** A place in the queue, smallest first; it never changes, so waiting is what raises a request. */
export function rankOf(priority: Priority, enqueuedAtMs: number): number {
  return enqueuedAtMs - STEPS[priority] * AGEING_MS;
}

/** Whether two requests of a model whose rows are free fit into one batch. */
export function canMerge(one: Request, other: Request): boolean {
  for (let index = 0; index < one.inputs.length; index += 1) {
    const shape = one.inputs[index]!.shape;
    const otherShape = other.inputs[index]!.shape;
    for (let axis = 1; axis < shape.length; axis += 1) {
      if (shape[axis] !== otherShape[axis]) return false;
    }
  }
  return true;
}

function checkTensor(model: RequestModel, spec: NamedTensorSpec, tensor: Tensor): void {
  const { type, shape, data } = tensor;
  if (type !== spec.type) {
    throw mismatch(model, `input "${spec.name}" has type ${type}, the model takes ${spec.type}`);
  }
  let count = 1;
  let fits = shape.length === spec.shape.length;
  for (let axis = 0; fits && axis < shape.length; axis += 1) {
    const size = shape[axis]!;
    const wanted = spec.shape[axis]!;
    fits = wanted === FREE ? size >= 0 : size === wanted;
    count *= size;
  }
  if (!fits) {
    const shapes = `${formatShape(shape)}, the model takes ${formatShape(spec.shape)}`;
    throw mismatch(model, `input "${spec.name}" has shape ${shapes}`);
  }
  if (data.length !== count) {
    const state = `has ${data.length} elements for the shape ${formatShape(shape)}`;
    throw mismatch(model, `input "${spec.name}" ${state}`);
  }
}

function commonRows(model: RequestModel, inputs: readonly Tensor[]): number {
  const rows = inputs[0]?.shape[0] ?? 1;
  for (const [index, { shape }] of inputs.entries()) {
    if (shape[0] === rows && rows > 0) continue;
    const state = `has ${shape[0]} rows, "${model.inputs[0]?.name}" has ${rows}`;
    throw mismatch(model, `input "${model.inputs[index]?.name}" ${state}`);
  }
  return rows;
}

function mismatch(model: RequestModel, state: string): LedgeError {
  return new LedgeError('shape-mismatch', `Cannot run model "${model.name}": ${state}`, {
    context: { model: model.name },
  });
}
