import type { NamedTensorSpec, Tensor, TensorData } from '../tensor/tensor.ts';
import { arrayOf, elementBytes } from '../tensor/tensor.ts';
import type { InputPart, OutputPart } from './protocol.ts';
import type { RequestQueue } from './queue.ts';
import type { Outputs, Request } from './request.ts';
import { canMerge } from './request.ts';
import type { Slabs } from './slabs.ts';

/**
 * From here on a tensor that owns its buffer is handed over instead of copied. Below, a copy costs
 * less than a millisecond on the slowest board and keeps the input at hand for a second attempt.
 */
export const TRANSFER_BYTES_MIN = 4_194_304;
/** Tensors in a slab begin on cache lines, which is also enough for every vector instruction. */
const ALIGNMENT_BYTES = 64;

/** Requests that run as one: they share a batch, or there is only one. */
export type Run = readonly Request[];

export interface GatherOptions {
  readonly rowsMax: number;
  readonly merge: boolean;
  readonly nowMs: number;
  /** Gets what is too late to run; it is in no run. */
  expired(request: Request): void;
}

/** Takes the next runs of a model from its queue, by rank, up to so many rows. May be empty. */
export function gather(queue: RequestQueue, options: GatherOptions): readonly Run[] {
  const runs: Request[][] = [];
  let rows = 0;
  for (let request = queue.peek(); request !== undefined; request = queue.peek()) {
    const expired = request.deadlineAtMs < options.nowMs;
    const fits = runs.length === 0 || (!request.alone && rows + request.rows <= options.rowsMax);
    if (!expired && !fits) break;
    queue.shift();
    if (expired) {
      options.expired(request);
      continue;
    }
    rows += request.rows;
    const mate = options.merge ? runs.find((run) => canMerge(run[0]!, request!)) : undefined;
    if (mate === undefined) runs.push([request]);
    else mate.push(request);
    if (request.alone || rows >= options.rowsMax) break;
  }
  return runs;
}

/** Runs as a worker gets them. */
export interface Packed {
  readonly runs: readonly (readonly InputPart[])[];
  readonly slab: ArrayBuffer | undefined;
  readonly transfer: readonly ArrayBuffer[];
}

/** Copies the inputs of all runs into one slab; large tensors of a single request go as they are. */
export function pack(
  runs: readonly Run[],
  inputs: readonly NamedTensorSpec[],
  slabs: Slabs,
): Packed {
  const transfer: ArrayBuffer[] = [];
  let slabBytes = 0;
  for (const run of runs) {
    for (let index = 0; index < inputs.length; index += 1) {
      if (takeWhole(run, { index, name: inputs[index]!.name }, transfer)) continue;
      for (const request of run) slabBytes += request.inputs[index]!.data.byteLength;
      slabBytes = align(slabBytes);
    }
  }
  const slab = slabBytes === 0 ? undefined : slabs.take(slabBytes);
  let byteOffset = 0;
  const parts = runs.map((run) =>
    inputs.map(({ type }, index): InputPart => {
      const { shape, data } = run[0]!.inputs[index]!;
      const whole = data.buffer as ArrayBuffer;
      if (transfer.includes(whole)) return { shape, buffer: whole, byteOffset: 0 };
      const part = { shape: mergedShape(run, shape), buffer: slab!, byteOffset };
      const target = new (arrayOf(type))(slab!, byteOffset);
      byteOffset = align(byteOffset + fill(target, run, index) * elementBytes(type));
      return part;
    }),
  );
  if (slab !== undefined) transfer.push(slab);
  return { runs: parts, slab, transfer };
}

/** Gives each request of a run its rows of the outputs; false where those do not divide so. */
export function resolveRun(
  run: Run,
  outputs: readonly OutputPart[],
  specs: readonly NamedTensorSpec[],
): boolean {
  const only = run.length === 1 ? run[0] : undefined;
  if (only !== undefined) {
    only.resolve(outputsOf(specs, (index) => outputs[index]!));
    return true;
  }
  const rows = run.reduce((sum, request) => sum + request.rows, 0);
  if (outputs.some(({ shape }) => shape[0] !== rows)) return false;
  const shapes = outputs.map(({ shape }) => [1, ...shape.slice(1)]);
  let row = 0;
  for (const request of run) {
    const first = row;
    row += request.rows;
    request.resolve(
      outputsOf(specs, (index) => {
        const { data, shape } = outputs[index]!;
        const stride = data.length / rows;
        const own = request.rows === 1 ? shapes[index]! : [request.rows, ...shape.slice(1)];
        return { shape: own, data: data.subarray(first * stride, row * stride) };
      }),
    );
  }
  return true;
}

/** Whether this input is handed over, buffer and all; notes it in the list of transfers. */
function takeWhole(
  run: Run,
  { index, name }: { readonly index: number; readonly name: string },
  transfer: ArrayBuffer[],
): boolean {
  if (run.length > 1) return false;
  const { data } = run[0]!.inputs[index]!;
  const { buffer } = data;
  if (data.byteLength < TRANSFER_BYTES_MIN || data.byteLength !== buffer.byteLength) return false;
  if (!(buffer instanceof ArrayBuffer) || transfer.includes(buffer)) return false;
  if (run[0]!.keeps?.(name) === true) return false;
  transfer.push(buffer);
  return true;
}

function mergedShape(run: Run, shape: readonly number[]): readonly number[] {
  if (run.length === 1) return shape;
  let rows = 0;
  for (const request of run) rows += request.rows;
  return [rows, ...shape.slice(1)];
}

/** Copies one input of every request behind each other; gives the number of elements. */
function fill(target: TensorData, run: Run, index: number): number {
  let offset = 0;
  for (const request of run) {
    const { data } = request.inputs[index]!;
    // The element types are equal: the request was checked against the model.
    (target as Float32Array).set(data as Float32Array, offset);
    offset += data.length;
  }
  return offset;
}

function outputsOf(
  specs: readonly NamedTensorSpec[],
  part: (index: number) => OutputPart,
): Outputs {
  const outputs: Record<string, Tensor> = {};
  for (let index = 0; index < specs.length; index += 1) {
    const { name, type } = specs[index]!;
    const { shape, data } = part(index);
    outputs[name] = { kind: 'tensor', type, shape, data };
  }
  return outputs;
}

function align(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
}
