import { describe, expect, test } from 'vitest';
import type { Priority } from '../../src/std/priority.ts';
import { loopModel, sumModel } from '../fixtures/infer-models.ts';
import { codeOf, integer, OPEN, rows, run, testPool, writeModel } from './test-pool.ts';

const ONE_BY_ONE = { ...OPEN, batch: { sizeMax: 1, waitMsMax: 0 } };
const inputs = () => ({ a: rows(1, 2), b: rows(1, 2) });

describe('priority', () => {
  test('decides who of those that wait goes first, then arrival', async () => {
    const pool = await testPool();
    const predictor = await pool.open(await writeModel(loopModel()), ONE_BY_ONE);
    const done: string[] = [];
    const asked = (['low', 'normal', 'high'] as const).flatMap((priority) =>
      [1, 2, 3].map((index) =>
        predictor
          .run({ count: integer(1) }, { priority })
          .then(() => done.push(`${priority} ${index}`)),
      ),
    );
    await Promise.all(asked);
    const order = ['high', 'normal', 'low'].flatMap((one) => [1, 2, 3].map((n) => `${one} ${n}`));
    expect(done).toEqual(order);
  });

  test('holds between models on the same worker', async () => {
    const pool = await testPool();
    const frames = await pool.open(await writeModel(loopModel()), ONE_BY_ONE);
    const voice = await pool.open(await writeModel(sumModel(2)), ONE_BY_ONE);
    const done: Priority[] = [];
    const queue = Array.from({ length: 10 }, () =>
      frames.run({ count: integer(5) }, { priority: 'low' }).then(() => done.push('low')),
    );
    const command = voice.run(inputs(), { priority: 'high' }).then(() => done.push('high'));
    await Promise.all([...queue, command]);
    expect(done.indexOf('high')).toBe(0);
  });
});

test('requests go on after other models were taken off their worker', async () => {
  const pool = await testPool();
  const frames = await pool.open(await writeModel(loopModel()), ONE_BY_ONE);
  const others = await Promise.all(
    [2, 3, 4].map(async (size) => pool.open(await writeModel(sumModel(size)), ONE_BY_ONE)),
  );
  await frames.run({ count: integer(20) }, { priority: 'normal' });
  const asked = [1, 2, 3, 4].map(() => frames.run({ count: integer(20) }, { priority: 'normal' }));
  await new Promise(setImmediate);
  await Promise.all(others.map((other) => other.close()));
  expect(await Promise.all(asked)).toHaveLength(4);
});

describe('a deadline', () => {
  test('that has passed before a worker was free fails with expired, and nothing ran', async () => {
    const pool = await testPool();
    const predictor = await pool.open(await writeModel(sumModel(2)), OPEN);
    const late = predictor.run(inputs(), { priority: 'high', deadlineAtMs: performance.now() - 1 });
    await expect(late).rejects.toMatchObject({ code: 'expired' });
    expect(pool.stats().models[0]).toMatchObject({ batches: 0, queued: 0 });
    const inTime = { priority: 'low', deadlineAtMs: performance.now() + 60_000 } as const;
    await expect(predictor.run(inputs(), inTime)).resolves.toHaveProperty('sum');
  });

  test('does not take the rest of a batch with it', async () => {
    const pool = await testPool();
    const predictor = await pool.open(await writeModel(sumModel(2)), OPEN);
    const deadlines = [undefined, 0, undefined, 0, undefined];
    const codes = deadlines.map((deadlineAtMs) =>
      codeOf(
        predictor.run(inputs(), {
          priority: 'normal',
          ...(deadlineAtMs !== undefined && { deadlineAtMs }),
        }),
      ),
    );
    expect(await Promise.all(codes)).toEqual(['none', 'expired', 'none', 'expired', 'none']);
  });
});

describe('the queue', () => {
  test.each([
    { limit: { queueMax: 10 }, told: 'requests' },
    { limit: { queueBytesMax: 10 * inputs().a.data.byteLength * 2 }, told: 'bytes' },
  ])('is bounded in $told', async ({ limit }) => {
    const pool = await testPool(limit);
    const predictor = await pool.open(await writeModel(sumModel(2)), OPEN);
    const codes = await Promise.all(
      Array.from({ length: 12 }, () => codeOf(run(predictor, inputs()))),
    );
    expect(codes.filter((code) => code === 'overflow')).toHaveLength(2);
    expect(codes.filter((code) => code === 'none')).toHaveLength(10);
    await expect(run(predictor, inputs())).resolves.toHaveProperty('sum');
  });
});

describe('closing', () => {
  test('the pool fails what waits, finishes what runs, and opens nothing more', async () => {
    const pool = await testPool();
    const file = await writeModel(loopModel());
    const predictor = await pool.open(file, ONE_BY_ONE);
    const running = run(predictor, { count: integer(200) });
    const runs = () => pool.stats().workers[0]?.inFlight ?? 0;
    while (runs() === 0) await new Promise(setImmediate);
    const waiting = Array.from({ length: 5 }, () => codeOf(run(predictor, { count: integer(1) })));
    await pool[Symbol.asyncDispose]();
    await expect(running).resolves.toHaveProperty('y');
    expect(await Promise.all(waiting)).toEqual(Array(5).fill('closed'));
    expect(await codeOf(run(predictor, { count: integer(1) }))).toBe('closed');
    expect(await codeOf(pool.open(file, OPEN))).toBe('closed');
  });

  test('the pool ends a run that does not finish in time', async () => {
    const pool = await testPool({ drainMsMax: 1 });
    const predictor = await pool.open(await writeModel(loopModel()), OPEN);
    const running = codeOf(run(predictor, { count: integer(500) }));
    while (pool.stats().workers[0]?.inFlight === 0) await new Promise(setImmediate);
    await pool[Symbol.asyncDispose]();
    expect(await running).toBe('closed');
    while (pool.stats().workers[0]?.abandoned !== 0) await new Promise(setImmediate);
  });

  test('the last use of a model fails what waits for it', async () => {
    const pool = await testPool();
    const predictor = await pool.open(await writeModel(loopModel()), ONE_BY_ONE);
    const codes = Array.from({ length: 3 }, () => codeOf(run(predictor, { count: integer(1) })));
    await predictor.close();
    expect(await Promise.all(codes)).toEqual(Array(3).fill('closed'));
  });
});
