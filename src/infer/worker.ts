import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import type { NamedTensorSpec, TensorData } from '../tensor/tensor.ts';
import { arrayOf, elementBytes, elementCount, FREE } from '../tensor/tensor.ts';
import type {
  FromWorker,
  InputPart,
  LoadMessage,
  OutputPart,
  RunMessage,
  RunResult,
  ToWorker,
  WarmUp,
  WorkerStart,
} from './protocol.ts';
import type { Session } from './session.ts';
import { openSession, warmUpRuntime } from './session.ts';

/** What free dimensions are at warm-up: one, else enough for the window of an audio model. */
const FREE_SIZES = [
  { rows: 1, others: 1 },
  { rows: 1, others: 1_024 },
  { rows: 1_024, others: 1_024 },
];
/** The fastest of this many runs counts: the first one allocates. */
const WARM_UP_RUNS = 4;
/** A model that has used this much time is warm: a slow one is not run again. */
const WARM_UP_MS_MAX = 200;
/** Two kernels may sum in another order; more than this, relative to the largest value, is not that. */
const ROW_TOLERANCE = 1e-4;
const HASH_CHUNK_BYTES = 1_048_576;

if (isMainThread || parentPort === null) {
  throw new Error('infer/worker runs in a worker thread: inference would block the event loop');
}
const port = parentPort;
const retired = new Int32Array((workerData as WorkerStart).retired);
const sessions = new Map<number, Session>();

// Messages wait for the one before: the pool counts on answers in order.
let last: Promise<void> = warmUpRuntime();
port.on('message', (message: ToWorker) => {
  last = last.then(() => handle(message));
});

async function handle(message: ToWorker): Promise<void> {
  switch (message.kind) {
    case 'load':
      return answer(await load(message));
    case 'run':
      return run(message);
    case 'unload':
      await sessions.get(message.model)?.release();
      sessions.delete(message.model);
      return answer({ kind: 'unloaded', id: message.id });
    case 'quit':
      for (const session of sessions.values()) await session.release();
      port.close();
  }
}

function answer(message: FromWorker, transfer: readonly ArrayBuffer[] = []): void {
  port.postMessage(message, transfer);
}

async function run({ id, model, runs, slab }: RunMessage): Promise<void> {
  const session = sessions.get(model);
  if (session === undefined) throw new Error(`a run came before its model ${model}`);
  const startMs = performance.now();
  const results: RunResult[] = [];
  const transfer: ArrayBuffer[] = slab === undefined ? [] : [slab];
  for (const parts of runs) {
    if (Atomics.load(retired, 0) !== 0) return;
    try {
      const outputs = await session.run(parts);
      for (const { data } of outputs) transfer.push(data.buffer as ArrayBuffer);
      results.push({ kind: 'ok', outputs });
    } catch (error) {
      results.push({ kind: 'failed', message: messageOf(error) });
    }
  }
  const runMs = performance.now() - startMs;
  answer({ kind: 'ran', id, results, runMs, slab }, transfer);
}

async function load(message: LoadMessage): Promise<FromWorker> {
  const { id } = message;
  try {
    if (hashOf(message.file) !== message.sha256) {
      return { kind: 'load-failed', id, message: 'the file has changed since it was opened' };
    }
    const before = process.memoryUsage.rss();
    const session = await openSession(message);
    sessions.set(message.model, session);
    const warm = await warmUp(session, message);
    const residentBytes = Math.max(0, process.memoryUsage.rss() - before);
    return { kind: 'loaded', id, warmUp: { provider: session.provider, residentBytes, ...warm } };
  } catch (error) {
    return { kind: 'load-failed', id, message: messageOf(error) };
  }
}

function hashOf(file: string): string {
  const hash = createHash('sha256');
  const chunk = Buffer.allocUnsafe(HASH_CHUNK_BYTES);
  const descriptor = openSync(file, 'r');
  try {
    for (;;) {
      const bytes = readSync(descriptor, chunk);
      if (bytes === 0) return hash.digest('hex');
      hash.update(chunk.subarray(0, bytes));
    }
  } finally {
    closeSync(descriptor);
  }
}

/** Runs zeros alone, then two different rows, then the largest batch, and tells what that showed. */
async function warmUp(
  session: Session,
  { inputs, batchRowsMax, batchMsMax }: LoadMessage,
): Promise<Pick<WarmUp, 'runMs' | 'rowsIndependent'>> {
  for (const sizes of FREE_SIZES) {
    const feed = (rows: number) => inputs.map((input) => part(input, { ...sizes, rows }));
    let runMs: number;
    try {
      runMs = await timeRuns(session, feed(sizes.rows));
    } catch {
      continue;
    }
    const rows = Math.min(batchRowsMax, Math.floor(batchMsMax / runMs));
    if (rows < 2 || !(await areRowsIndependent(session, inputs, sizes.others))) {
      return { runMs, rowsIndependent: false };
    }
    await session.run(feed(rows));
    return { runMs, rowsIndependent: true };
  }
  return { runMs: undefined, rowsIndependent: false };
}

async function timeRuns(session: Session, parts: readonly InputPart[]): Promise<number> {
  const startMs = performance.now();
  let fastestMs = Number.POSITIVE_INFINITY;
  for (let count = 0; count < WARM_UP_RUNS; count += 1) {
    const runStartMs = performance.now();
    await session.run(parts);
    fastestMs = Math.min(fastestMs, performance.now() - runStartMs);
    if (performance.now() - startMs > WARM_UP_MS_MAX) break;
  }
  return fastestMs;
}

/** Zeros of an input's shape with this many rows; without a free first axis, of its own. */
function part({ type, shape }: NamedTensorSpec, free: { rows: number; others: number }): InputPart {
  const sizes = shape.map((size, axis) => {
    if (size !== FREE) return size;
    return axis === 0 ? free.rows : free.others;
  });
  const buffer = new ArrayBuffer(elementCount(sizes) * elementBytes(type));
  return { shape: sizes, buffer, byteOffset: 0 };
}

/**
 * Whether two rows in one batch give what each gives alone. Not so where the graph reshapes to one
 * row, computes over the batch, or quantises dynamically with one scale for all rows.
 */
async function areRowsIndependent(
  session: Session,
  inputs: readonly NamedTensorSpec[],
  others: number,
): Promise<boolean> {
  const both = inputs.map((input) => varied(part(input, { rows: 2, others }), input));
  try {
    const merged = await session.run(both);
    for (const row of [0, 1]) {
      const alone = await session.run(both.map((one) => rowOf(one, row)));
      if (!alone.every((output, index) => isRow(output, merged[index]!, row))) return false;
    }
    return true;
  } catch {
    return false;
  }
}

/** Fills floats with values between -1 and 1, the second row with larger ones; integers stay 0. */
function varied(zero: InputPart, { type }: NamedTensorSpec): InputPart {
  if (type !== 'float32' && type !== 'float64') return zero;
  const data = new (arrayOf(type))(zero.buffer) as Float32Array | Float64Array;
  const half = data.length / 2;
  for (let index = 0; index < data.length; index += 1) {
    data[index] = Math.sin(index * index + 1) * (index < half ? 1 : 3);
  }
  return zero;
}

function rowOf({ shape, buffer }: InputPart, row: number): InputPart {
  const bytes = buffer.byteLength / 2;
  const own = buffer.slice(row * bytes, (row + 1) * bytes);
  return { shape: [1, ...shape.slice(1)], buffer: own, byteOffset: 0 };
}

function isRow(alone: OutputPart, merged: OutputPart, row: number): boolean {
  if (merged.shape[0] !== 2 || alone.shape[0] !== 1) return false;
  const count = alone.data.length;
  if (merged.data.length !== 2 * count) return false;
  const tolerance = ROW_TOLERANCE * largest(alone.data);
  for (let index = 0; index < count; index += 1) {
    const one = Number(alone.data[index]);
    const other = Number(merged.data[row * count + index]);
    if (!(Math.abs(one - other) <= tolerance)) return false;
  }
  return true;
}

function largest(data: TensorData): number {
  let found = 0;
  for (const value of data) found = Math.max(found, Math.abs(Number(value)));
  return found;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
