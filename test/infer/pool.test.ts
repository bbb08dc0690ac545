import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { FREE, float32, type Tensor } from '../../src/tensor/tensor.ts';
import {
  batchMeanModel,
  heavyModel,
  mixedTypesModel,
  oneRowModel,
  sumModel,
} from '../fixtures/infer-models.ts';
import { castModel, matmulModel, runningSumModel } from '../fixtures/onnx-models.ts';
import { codeOf, OPEN, rows, run, temporaryFolder, testPool, writeModel } from './test-pool.ts';

const valuesOf = (tensor: Tensor | undefined) => Array.from(tensor?.data ?? [], Number);

describe('a batch', () => {
  test('gives each of 100 requests what it gets alone', async () => {
    const pool = await testPool();
    const predictor = await pool.open(await writeModel(sumModel(5)), OPEN);
    const request = (index: number) => ({ a: rows(1, 5, index), b: rows(1, 5, index * 2) });
    const alone: number[][] = [];
    for (let index = 0; index < 100; index += 1) {
      alone.push(valuesOf((await run(predictor, request(index))).twice));
    }
    const before = pool.stats().models[0]!;
    const together = await Promise.all(alone.map((_, index) => run(predictor, request(index))));
    const after = pool.stats().models[0]!;
    expect(together.map(({ twice }) => valuesOf(twice))).toEqual(alone);
    expect(together.map(({ sum }) => sum?.shape)).toEqual(alone.map(() => [1, 5]));
    expect(after.batches - before.batches).toBeLessThan(20);
  });

  test('takes requests of several rows and gives them back as they came', async () => {
    const pool = await testPool();
    const predictor = await pool.open(await writeModel(sumModel(3)), OPEN);
    const counts = [1, 4, 2, 40, 1];
    const outputs = await Promise.all(
      counts.map((count, index) =>
        run(predictor, { a: rows(count, 3, index), b: rows(count, 3, 100) }),
      ),
    );
    for (const [index, { sum }] of outputs.entries()) {
      const a = valuesOf(rows(counts[index]!, 3, index));
      const b = valuesOf(rows(counts[index]!, 3, 100));
      expect(sum?.shape).toEqual([counts[index], 3]);
      expect(valuesOf(sum)).toEqual(a.map((value, at) => value + b[at]!));
    }
  });

  test.each([
    { name: 'computes over the batch', model: batchMeanModel(4), output: [0, 0, 0, 0] },
    { name: 'takes one row only', model: oneRowModel(4), output: [7, 7.125, 7.25, 7.375] },
  ])('is not made where the model $name', async ({ model, output }) => {
    const pool = await testPool();
    const predictor = await pool.open(await writeModel(model), OPEN);
    const outputs = await Promise.all([1, 2, 3].map(() => run(predictor, { x: rows(1, 4, 7) })));
    expect(pool.stats().models[0]?.batched).toBe(false);
    expect(outputs.map(({ y }) => valuesOf(y))).toEqual([output, output, output]);
  });

  test('waits for its size where it may', async () => {
    const pool = await testPool();
    const options = { ...OPEN, batch: { sizeMax: 4, waitMsMax: 20_000 } };
    const predictor = await pool.open(await writeModel(sumModel(2)), options);
    const one = () => run(predictor, { a: rows(1, 2), b: rows(1, 2) });
    const first = [one(), one(), one()];
    // Turns of the event loop in which a batch that does not wait would have gone.
    for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate);
    expect(pool.stats().models[0]).toMatchObject({ queued: 3, batches: 0 });
    await Promise.all([...first, one()]);
    expect(pool.stats().models[0]).toMatchObject({ queued: 0, batches: 1, batchMean: 4 });
  });

  test('goes when its first request has waited long enough', async () => {
    const pool = await testPool();
    const options = { ...OPEN, batch: { sizeMax: 4, waitMsMax: 5 } };
    const predictor = await pool.open(await writeModel(sumModel(2)), options);
    await run(predictor, { a: rows(1, 2), b: rows(1, 2) });
    expect(pool.stats().models[0]).toMatchObject({ batches: 1, batchMean: 1 });
  });
});

describe('a predictor', () => {
  test('says what the model takes and gives', async () => {
    const pool = await testPool();
    const predictor = await pool.open(await writeModel(sumModel(5), 'adder.onnx'), OPEN);
    const spec = (name: string) => ({ name, type: 'float32', shape: [FREE, 5] });
    expect(predictor.inputs).toEqual([spec('a'), spec('b')]);
    expect(predictor.outputs).toEqual([spec('sum'), spec('twice')]);
    expect(predictor.model).toMatchObject({ name: 'adder', precision: 'fp32' });
    expect(predictor.memoryBytes).toBeGreaterThan(0);
  });

  test.each([
    { name: 'a missing input', inputs: { a: rows(1, 5) }, told: 'input "b" is missing' },
    {
      name: 'another size',
      inputs: { a: rows(1, 5), b: rows(1, 6) },
      told: 'input "b" has shape [1, 6], the model takes [?, 5]',
    },
    {
      name: 'another rank',
      inputs: { a: float32([5], new Float32Array(5)), b: rows(1, 5) },
      told: 'input "a" has shape [5], the model takes [?, 5]',
    },
    {
      name: 'another type',
      inputs: { a: { ...rows(1, 5), type: 'int32' as const }, b: rows(1, 5) },
      told: 'input "a" has type int32, the model takes float32',
    },
    {
      name: 'different rows',
      inputs: { a: rows(2, 5), b: rows(1, 5) },
      told: 'input "b" has 1 rows, "a" has 2',
    },
    {
      name: 'too few elements',
      inputs: { a: { ...rows(1, 5), data: new Float32Array(4) }, b: rows(1, 5) },
      told: 'input "a" has 4 elements for the shape [1, 5]',
    },
  ])('refuses $name for that request only', async ({ inputs, told }) => {
    const pool = await testPool();
    const predictor = await pool.open(await writeModel(sumModel(5)), OPEN);
    const good = run(predictor, { a: rows(1, 5), b: rows(1, 5) });
    await expect(run(predictor, inputs as never)).rejects.toMatchObject({
      code: 'shape-mismatch',
      message: expect.stringContaining(told),
    });
    await expect(good).resolves.toHaveProperty('sum');
  });

  test('carries state that goes round', async () => {
    const pool = await testPool();
    const predictor = await pool.open(await writeModel(runningSumModel(2)), OPEN);
    let state = rows(1, 2, 0);
    for (let step = 0; step < 3; step += 1) {
      const x = float32([1, 2], Float32Array.of(1, 10));
      state = (await run(predictor, { x, state })).stateOut!;
    }
    expect(valuesOf(state)).toEqual([3, 30.125]);
  });

  test('passes element types other than float', async () => {
    const pool = await testPool();
    for (const type of ['float16', 'int8', 'int64', 'uint16', 'bool', 'float64'] as const) {
      const predictor = await pool.open(await writeModel(castModel(type, 2)), OPEN);
      const { y } = await run(predictor, { x: float32([2], Float32Array.of(1, 0)) });
      const one = type === 'float16' ? 0x3c00 : 1; // the bits of 1.0
      expect({ type: y?.type, values: valuesOf(y) }).toEqual({ type, values: [one, 0] });
    }
  });

  test('hands a large tensor over instead of copying it, and leaves a small one as it is', async () => {
    const pool = await testPool();
    const predictor = await pool.open(await writeModel(sumModel(1_048_576)), OPEN);
    const large = { a: rows(1, 1_048_576), b: rows(1, 1_048_576) };
    const { sum } = await run(predictor, large);
    expect(sum?.data[8]).toBe(2);
    expect(large.a.data.length).toBe(0);
    const small = await pool.open(await writeModel(sumModel(2)), OPEN);
    const kept = { a: rows(1, 2), b: rows(1, 2) };
    await run(small, kept);
    expect(kept.a.data.length).toBe(2);
  });
});

describe('a model opened twice', () => {
  test('is loaded once and unloaded by the last close', async () => {
    const pool = await testPool();
    const file = await writeModel(sumModel(2));
    const copy = join(await temporaryFolder(), 'copy.onnx');
    await copyFile(file, copy);
    const [one, other] = await Promise.all([pool.open(file, OPEN), pool.open(copy, OPEN)]);
    expect(other.model.name).toBe('copy');
    expect(pool.stats().models).toHaveLength(1);
    const inputs = { a: rows(1, 2), b: rows(1, 2) };
    await one.close();
    await one.close();
    expect(await codeOf(run(one, inputs))).toBe('closed');
    await expect(run(other, inputs)).resolves.toHaveProperty('sum');
    expect(pool.memoryBytes).toBeGreaterThan(0);
    await other.close();
    expect(pool.stats().models).toEqual([]);
    expect(pool.memoryBytes).toBe(0);
    const again = await pool.open(file, OPEN);
    await expect(run(again, inputs)).resolves.toHaveProperty('sum');
  });
});

test('a model that was opened without batches is batched for its next user', async () => {
  const pool = await testPool();
  const file = await writeModel(sumModel(2));
  await pool.open(file, { ...OPEN, batch: { sizeMax: 1, waitMsMax: 0 } });
  const predictor = await pool.open(file, OPEN);
  await Promise.all([1, 2, 3].map(() => run(predictor, { a: rows(1, 2), b: rows(1, 2) })));
  expect(pool.stats().models).toMatchObject([{ batched: true, requests: 3, batches: 1 }]);
});

describe('placement', () => {
  test('puts a small model on every worker and a large one on one, with its threads', async () => {
    const pool = await testPool({ workers: 2, intraOpThreads: 2 });
    await pool.open(await writeModel(sumModel(2)), OPEN);
    const heavy = await pool.open(await writeModel(heavyModel()), OPEN);
    expect(pool.stats().models).toMatchObject([
      { copies: 2, intraOpThreads: 1, provider: 'cpu' },
      { copies: 1, intraOpThreads: 2 },
    ]);
    expect(heavy.memoryBytes).toBeGreaterThan(36_000_000);
    await expect(run(heavy, { x: rows(1, 3_000) })).resolves.toHaveProperty('y');
  });

  test('refuses a model over the budget with the figures, and keeps what is there', async () => {
    const pool = await testPool({ memoryBytesMax: 40_000_000 });
    const small = await pool.open(await writeModel(sumModel(2)), OPEN);
    const file = await writeModel(matmulModel({ inputs: 4_000, outputs: 3_000 }));
    await expect(pool.open(file, OPEN)).rejects.toMatchObject({
      code: 'memory-exceeded',
      message: expect.stringMatching(/needs 45\.8 MiB, .* of 38\.1 MiB are in use/),
      context: { needsBytes: 48_000_000, budgetBytes: 40_000_000 },
    });
    expect(pool.stats().models).toHaveLength(1);
    await expect(run(small, { a: rows(1, 2), b: rows(1, 2) })).resolves.toHaveProperty('sum');
  });
});

describe('a model that cannot be opened', () => {
  test('is told from one that is not there', async () => {
    const pool = await testPool();
    const folder = await temporaryFolder();
    const garbage = join(folder, 'garbage.onnx');
    await writeFile(garbage, 'not a model');
    expect(await codeOf(pool.open(join(folder, 'none.onnx'), OPEN))).toBe('not-found');
    expect(await codeOf(pool.open(garbage, OPEN))).toBe('model-invalid');
    const file = await writeModel(mixedTypesModel());
    expect(await codeOf(pool.open(file, OPEN))).toMatch(/^model-(invalid|refused)$/);
    expect(pool.stats()).toMatchObject({ models: [], memoryBytes: 0 });
  });

  test('names the providers that this runtime lacks', async () => {
    const pool = await testPool({ providers: ['abacus'] });
    await expect(pool.open(await writeModel(sumModel(2)), OPEN)).rejects.toMatchObject({
      code: 'model-invalid',
      message: expect.stringContaining('abacus'),
    });
  });

  test('falls back to the next provider', async () => {
    const pool = await testPool({ providers: ['abacus', 'cpu'] });
    await pool.open(await writeModel(sumModel(2)), OPEN);
    expect(pool.stats().models).toMatchObject([{ provider: 'cpu' }]);
  });
});
