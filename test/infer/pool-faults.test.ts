import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import { workerFile } from '../../src/infer/thread.ts';
import { float32, tensorOf } from '../../src/tensor/tensor.ts';
import { lookupModel, loopModel, sumModel } from '../fixtures/infer-models.ts';
import {
  codeOf,
  integer,
  OPEN,
  rows,
  run,
  temporaryFolder,
  testPool,
  writeModel,
} from './test-pool.ts';

/** A value at which the worker of `crashingWorker` ends. */
const POISON = -987_654;
const TIMEOUT_MS = 300;

/** The real worker, which ends when a run holds the poison, or at once. */
async function crashingWorker(when: 'poison' | 'at once'): Promise<string> {
  const file = join(await temporaryFolder(), 'worker.mjs');
  const isPoison =
    when === 'at once'
      ? 'true'
      : `message.kind === 'run' && new Float32Array(message.slab).includes(${POISON})`;
  const program = [
    "import { parentPort } from 'node:worker_threads';",
    `import ${JSON.stringify(pathToFileURL(workerFile()).href)};`,
    `parentPort.on('message', (message) => { if (${isPoison}) process.exit(1); });`,
  ];
  await writeFile(file, program.join('\n'));
  return file;
}

const inputs = (value: number) => ({
  a: float32([1, 2], Float32Array.of(value, 0)),
  b: rows(1, 2),
});

describe('a worker that crashes', () => {
  test('is replaced, and takes only the request with it that was at fault', async () => {
    const pool = await testPool({ workerFile: await crashingWorker('poison') });
    const predictor = await pool.open(await writeModel(sumModel(2)), OPEN);
    const values = Array.from({ length: 20 }, (_, index) => (index === 7 ? POISON : index));
    const settled = await Promise.allSettled(values.map((value) => run(predictor, inputs(value))));
    for (const [index, one] of settled.entries()) {
      if (one.status === 'fulfilled') expect(one.value.sum?.data[0]).toBe(values[index]);
    }
    const failed = settled.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
    expect(failed).toMatchObject([{ code: 'worker-crashed', retriable: true }]);
    expect(settled[7]?.status).toBe('rejected');
    expect(pool.stats().workers).toMatchObject([{ restarts: 2, running: true }]);
    await expect(run(predictor, inputs(1))).resolves.toHaveProperty('sum');
  });

  test('does not touch what runs on the others', async () => {
    const pool = await testPool({ workers: 2, workerFile: await crashingWorker('poison') });
    const predictor = await pool.open(await writeModel(sumModel(2)), OPEN);
    const poisons = Array.from({ length: 3 }, () => codeOf(run(predictor, inputs(POISON))));
    const good = Array.from({ length: 50 }, (_, index) => codeOf(run(predictor, inputs(index))));
    expect(new Set(await Promise.all(poisons))).toEqual(new Set(['worker-crashed']));
    expect(new Set(await Promise.all(good))).toEqual(new Set(['none']));
  });

  test('before it has loaded a model fails the opening, not the process', async () => {
    const pool = await testPool({ workerFile: await crashingWorker('at once') });
    const file = await writeModel(sumModel(2));
    expect(await codeOf(pool.open(file, OPEN))).toBe('worker-crashed');
    expect(pool.stats().models).toEqual([]);
  });
});

describe('a run over its time', () => {
  /** Loops that take some time more than the limit on this machine, at its fastest. */
  async function slowCount(predictor: Parameters<typeof run>[0]): Promise<number> {
    const probe = 20;
    let fastestMs = Number.POSITIVE_INFINITY;
    for (let tries = 0; tries < 8; tries += 1) {
      const startMs = performance.now();
      await run(predictor, { count: integer(probe) });
      fastestMs = Math.min(fastestMs, performance.now() - startMs);
    }
    return Math.ceil((4 * TIMEOUT_MS * probe) / fastestMs);
  }

  test('fails with timeout after a second attempt; the worker is replaced, the others live', async () => {
    const pool = await testPool();
    const file = await writeModel(loopModel());
    const patient = await pool.open(file, OPEN);
    const count = await slowCount(patient);
    const predictor = await pool.open(file, { ...OPEN, timeoutMs: TIMEOUT_MS });
    const slow = run(predictor, { count: integer(count) });
    const quick = [1, 2, 3].map((one) => codeOf(run(predictor, { count: integer(one) })));
    await expect(slow).rejects.toMatchObject({
      code: 'timeout',
      message: 'Cannot run model "tiny": the run took too long',
    });
    expect(await Promise.all(quick)).toEqual(['none', 'none', 'none']);
    expect(pool.stats().workers).toMatchObject([{ restarts: 2, running: true }]);
  });

  test('is cut short by the pool where its model would allow more', async () => {
    const pool = await testPool({ timeoutMs: TIMEOUT_MS });
    const predictor = await pool.open(await writeModel(loopModel()), OPEN);
    const count = await slowCount(predictor);
    expect(await codeOf(run(predictor, { count: integer(count) }))).toBe('timeout');
  });
});

test('a run that fails in a batch fails for the request at fault only', async () => {
  const pool = await testPool();
  const predictor = await pool.open(await writeModel(lookupModel(10)), OPEN);
  const at = (index: number) =>
    run(predictor, { index: tensorOf('int64', [1, 1], BigInt64Array.of(BigInt(index))) });
  const settled = await Promise.allSettled([1, 2, 99, 3, 4].map(at));
  expect(pool.stats().models[0]?.batched).toBe(true);
  expect(settled.map((one) => one.status === 'fulfilled' && one.value.y?.data[0])).toEqual([
    10,
    20,
    false,
    30,
    40,
  ]);
  expect(settled[2]).toMatchObject({ reason: { code: 'inference-failed' } });
  expect(pool.stats().workers).toMatchObject([{ restarts: 0 }]);
});

describe('a model whose file changes', () => {
  test('keeps running, and is not loaded again under the old name', async () => {
    const pool = await testPool({ workerFile: await crashingWorker('poison') });
    const file = await writeModel(sumModel(2));
    const predictor = await pool.open(file, OPEN);
    await writeFile(file, 'swapped');
    await expect(run(predictor, inputs(1))).resolves.toHaveProperty('sum');
    expect(await codeOf(run(predictor, inputs(POISON)))).toBe('model-invalid');
    await expect(run(predictor, inputs(1))).rejects.toMatchObject({
      code: 'model-invalid',
      message: expect.stringContaining('the file has changed since it was opened'),
    });
  });
});
