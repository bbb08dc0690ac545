import { expect, test } from 'vitest';
import { heavyModel, sumModel } from '../fixtures/infer-models.ts';
import { OPEN, rows, run, testPool, writeModel } from './test-pool.ts';

/** Long enough that a spinning thread would show, a whole core of it. */
const IDLE_MS = 1_000;

test('a pool that waits uses no CPU, with models loaded and intra-op threads started', async () => {
  const pool = await testPool({ workers: 2, intraOpThreads: 2 });
  const small = await pool.open(await writeModel(sumModel(2)), OPEN);
  const heavy = await pool.open(await writeModel(heavyModel()), OPEN);
  expect(pool.stats().models[1]?.intraOpThreads).toBe(2);
  await run(heavy, { x: rows(1, 3_000) });
  await run(small, { a: rows(1, 2), b: rows(1, 2) });
  const startMs = performance.now();
  const before = process.cpuUsage();
  // The passing of time is what is tested.
  await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
  const { user, system } = process.cpuUsage(before);
  const share = (user + system) / 1_000 / (performance.now() - startMs);
  expect(share).toBeLessThan(0.1);
});
