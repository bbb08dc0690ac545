import { expect, test } from 'vitest';
import { heavyModel } from '../fixtures/infer-models.ts';
import { OPEN, rows, run, testPool, writeModel } from './test-pool.ts';

const RUNS = 25;
/** Between two runs; a spinning thread uses about half of this. */
const PAUSE_MS = 20;

test('a pool that waits uses no CPU, also just after a run on several threads', async () => {
  const pool = await testPool({ workers: 2, intraOpThreads: 2 });
  const predictor = await pool.open(await writeModel(heavyModel()), OPEN);
  expect(pool.stats().models[0]?.intraOpThreads).toBe(2);
  let usedMs = 0;
  let waitedMs = 0;
  for (let count = 0; count < RUNS; count += 1) {
    await run(predictor, { x: rows(1, 3_000) });
    const startMs = performance.now();
    const before = process.cpuUsage();
    // The passing of time is what is tested.
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    const { user, system } = process.cpuUsage(before);
    usedMs += (user + system) / 1_000;
    waitedMs += performance.now() - startMs;
  }
  expect(usedMs / waitedMs).toBeLessThan(0.15);
});
