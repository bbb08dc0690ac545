import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { openPool, type Pool, type PoolOptions } from '../../src/infer/pool.ts';
import type { OpenOptions, Predictor } from '../../src/infer/predictor.ts';
import type { Model } from '../../src/onnx/proto.ts';
import { float32, type Tensor, tensorOf } from '../../src/tensor/tensor.ts';
import { modelBytes } from '../fixtures/onnx-models.ts';

export const OPEN: OpenOptions = { batch: { sizeMax: 32, waitMsMax: 0 }, timeoutMs: 30_000 };

/** A folder that goes away with the test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ledge-infer-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes a model into a folder of its own and gives the file. */
export async function writeModel(model: Model, name = 'tiny.onnx'): Promise<string> {
  const file = join(await temporaryFolder(), name);
  await writeFile(file, modelBytes(model));
  return file;
}

/** A pool that is closed with the test: one worker and a gigabyte, unless told otherwise. */
export async function testPool(options: Partial<PoolOptions> = {}): Promise<Pool> {
  const pool = await openPool({
    workers: 1,
    intraOpThreads: 1,
    providers: ['cpu'],
    memoryBytesMax: 2 ** 30,
    ...options,
  });
  onTestFinished(() => pool[Symbol.asyncDispose]());
  return pool;
}

/** Runs with normal priority. */
export function run(predictor: Predictor, inputs: Readonly<Record<string, Tensor>>) {
  return predictor.run(inputs, { priority: 'normal' });
}

/** A float32 tensor of rows, its values counted up from `first`. */
export function rows(count: number, size: number, first = 0): Tensor {
  const data = Float32Array.from({ length: count * size }, (_, index) => first + index / 8);
  return float32([count, size], data);
}

/** An int64 scalar. */
export function integer(value: number): Tensor {
  return tensorOf('int64', [], BigInt64Array.of(BigInt(value)));
}

/** The code a promise fails with, or `none`. */
export function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'none',
    (error: { code?: string }) => String(error.code),
  );
}
