import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import * as runtime from 'onnxruntime-node';
import { describe, expect, test } from 'vitest';
import {
  arrayOf,
  elementCount,
  FREE,
  type NamedTensorSpec,
  type Tensor,
  tensorOf,
} from '../../src/tensor/tensor.ts';
import { sumModel } from '../fixtures/infer-models.ts';
import { sharedData } from '../harness/shared-data.ts';
import { OPEN, rows, run, testPool, writeModel } from './test-pool.ts';

const root = sharedData('models');
const files = root === undefined ? [] : onnxFiles(root);
const hostile = files.filter((file) => relative(root ?? '', file).startsWith('hostile'));
const sound = files.filter((file) => !hostile.includes(file));
const why = root === undefined ? ' (skipped: ../shared/data/models is not here)' : '';

function onnxFiles(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.onnx'))
    .sort()
    .map((name) => join(folder, name));
}

/** What free dimensions are, for the models whose inputs must agree with each other. */
const SIZES: Readonly<Record<string, Readonly<Record<string, readonly number[]>>>> = {
  'silero_vad.onnx': { input: [1, 576], state: [2, 1, 128] },
  'silero_vad_16k_op15.onnx': { input: [1, 576], state: [2, 1, 128] },
  'melspectrogram.onnx': { input: [1, 1_760] },
};

function inputFor({ name, type, shape }: NamedTensorSpec, file: string, index: number): Tensor {
  const sizes = SIZES[file.split('/').at(-1) ?? '']?.[name];
  const own = sizes ?? shape.map((size) => (size === FREE ? 1 : size));
  const data = new (arrayOf(type))(elementCount(own));
  const isFloat = type === 'float32';
  for (let at = 0; at < data.length && isFloat; at += 1) data[at] = Math.sin(at + index);
  if (name === 'sr') data[0] = 16_000n;
  return tensorOf(type, own, data);
}

describe.skipIf(root === undefined)(`the shared models${why}`, () => {
  test.each(sound)('%s gives what the bare runtime gives', async (file) => {
    const pool = await testPool();
    const predictor = await pool.open(file, OPEN);
    const session = await runtime.InferenceSession.create(file, { logSeverityLevel: 4 });
    const requests = Array.from({ length: 5 }, (_, index) =>
      Object.fromEntries(predictor.inputs.map((spec) => [spec.name, inputFor(spec, file, index)])),
    );
    const given = await Promise.all(requests.map((inputs) => run(predictor, inputs)));
    for (const [index, inputs] of requests.entries()) {
      const feeds = Object.fromEntries(
        Object.entries(inputs).map(([name, { type, data, shape }]) => [
          name,
          new runtime.Tensor(type, data as Float32Array, [...shape]),
        ]),
      );
      const expected = await session.run(feeds);
      for (const { name } of predictor.outputs) {
        const one = given[index]?.[name];
        expect(one?.shape, name).toEqual(expected[name]?.dims);
        expect(difference(one!, expected[name]!.data as Float32Array)).toBeLessThan(1e-4);
      }
    }
    await session.release();
  });

  test('of the hostile kind are refused before the runtime sees them, and the rest goes on', async () => {
    const pool = await testPool();
    const good = await pool.open(await writeModel(sumModel(2)), OPEN);
    expect(hostile.length).toBeGreaterThan(0);
    for (const file of hostile) {
      await expect(pool.open(file, OPEN), file).rejects.toMatchObject({
        code: expect.stringMatching(/^model-(invalid|refused)$/),
        message: expect.stringContaining('Cannot load model'),
      });
    }
    expect(pool.stats().models).toHaveLength(1);
    await expect(run(good, { a: rows(1, 2), b: rows(1, 2) })).resolves.toHaveProperty('sum');
  });
});

/** The largest difference, relative to the largest value. */
function difference({ data }: Tensor, expected: ArrayLike<number | bigint>): number {
  let largest = 1e-6;
  let apart = 0;
  for (let index = 0; index < expected.length; index += 1) {
    const value = Number(expected[index]);
    largest = Math.max(largest, Math.abs(value));
    apart = Math.max(apart, Math.abs(value - Number(data[index])));
  }
  return data.length === expected.length ? apart / largest : Number.NaN;
}
