import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { pickRung } from '../../src/infer/pick-rung.ts';
import { loadModel } from '../../src/models/store.ts';
import { float32 } from '../../src/tensor/tensor.ts';
import { heavyModel, quickModel, slowModel, writeLadder } from '../fixtures/ladder.ts';
import { codeOf, OPEN, run, temporaryFolder, testPool } from './test-pool.ts';

const RUNGS = [
  { name: 'best', precision: 'fp32', model: slowModel(8) },
  { name: 'half', precision: 'int8', model: slowModel(2) },
  { name: 'quick', precision: 'int8', model: quickModel() },
];
const WHY = { cause: 'queue', detail: '' };

async function ladderFolder(rungs = RUNGS): Promise<string> {
  const folder = await temporaryFolder();
  await writeLadder(folder, rungs);
  return folder;
}

const one = (value: number) => ({ x: float32([1, 4], Float32Array.of(value, 0, 0, 0)) });

describe('the rung that is picked', () => {
  test.each([
    { precision: ['int8', 'fp32'], at: 1, what: 'the first of the format that is fastest' },
    { precision: ['fp32', 'int8'], at: 0, what: 'the most accurate where its format is fastest' },
    { precision: ['fp16', 'int8', 'fp32'], at: 1, what: 'of the next format that there is' },
    { precision: ['fp16'], at: 0, what: 'the most accurate where no format is there' },
    { precision: ['int8'], rung: 'quick', at: 2, what: 'the one that was named' },
  ])('is $what', async ({ precision, rung, at }) => {
    const model = await loadModel(await ladderFolder());
    expect(pickRung(model, { precision, rung })).toBe(at);
    const pool = await testPool({ precision });
    const predictor = await pool.open(model.file.replace(/[^/]+$/, 'model.yaml'), {
      ...OPEN,
      rung,
    });
    expect(predictor.model).toEqual(model.rungs[at]!.identity);
    const cause = rung === undefined ? 'board' : 'flow';
    expect(predictor.rungs).toMatchObject({ at, best: at, steps: 0, why: { cause, detail: '' } });
  });

  test('has a name that the model knows', async () => {
    const pool = await testPool();
    const opening = pool.open(await ladderFolder(), { ...OPEN, rung: 'third' });
    await expect(opening).rejects.toMatchObject({
      code: 'not-found',
      message: 'Cannot find rung "third" of model "stairs": there are best, half, quick',
    });
  });
});

describe('memory', () => {
  const BUDGET_BYTES = 40 * 2 ** 20;
  /** 48 MB of weights: more than the budget. */
  const heavy = (name: string) => ({ name, precision: 'fp32', model: heavyModel(2_000_000) });

  test('that the first rung exceeds lets the next one run, and says so', async () => {
    const folder = await ladderFolder([heavy('best'), RUNGS[2]!]);
    const pool = await testPool({ memoryBytesMax: BUDGET_BYTES });
    const predictor = await pool.open(folder, OPEN);
    expect(predictor.rungs).toMatchObject({ at: 1, best: 1, why: { cause: 'memory' } });
    expect(predictor.rungs?.why.detail).toMatch(
      /^Cannot load model "stairs": rung "best" needs 45\.8 MiB/,
    );
    await expect(run(predictor, one(1))).resolves.toHaveProperty('y');
  });

  test('that the cheapest exceeds lets one above it run', async () => {
    const rungs = [
      { ...RUNGS[2]!, precision: 'fp32' },
      { ...heavy('odd'), precision: 'int8' },
    ];
    const folder = await ladderFolder(rungs);
    const pool = await testPool({ memoryBytesMax: BUDGET_BYTES, precision: ['int8'] });
    const predictor = await pool.open(folder, OPEN);
    expect(predictor.rungs).toMatchObject({ at: 0, best: 0, why: { cause: 'memory' } });
  });

  test('that no rung fits refuses the model, with every figure', async () => {
    const folder = await ladderFolder([heavy('best'), { ...heavy('less'), precision: 'int8' }]);
    const pool = await testPool({ memoryBytesMax: BUDGET_BYTES });
    await expect(pool.open(folder, OPEN)).rejects.toMatchObject({
      code: 'memory-exceeded',
      message: expect.stringMatching(/rung "best" needs .*; .*rung "less" needs /),
    });
    expect(pool.memoryBytes).toBe(0);
  });

  test('that a rung exceeds refuses the model where that rung was asked for', async () => {
    const folder = await ladderFolder([heavy('best'), RUNGS[2]!]);
    const pool = await testPool({ memoryBytesMax: BUDGET_BYTES });
    expect(await codeOf(pool.open(folder, { ...OPEN, rung: 'best' }))).toBe('memory-exceeded');
  });

  test('that has no room for both keeps the rung at work, and says so', async () => {
    const folder = await ladderFolder([RUNGS[2]!, heavy('more')]);
    const pool = await testPool({ memoryBytesMax: BUDGET_BYTES });
    const predictor = await pool.open(folder, OPEN);
    const { rungs } = predictor;
    expect(await codeOf(rungs!.move(1, WHY))).toBe('memory-exceeded');
    expect(rungs).toMatchObject({
      at: 0,
      steps: 0,
      refused: expect.stringMatching(/"more" needs/),
    });
    await expect(run(predictor, one(1))).resolves.toHaveProperty('y');
  });
});

describe('a move to another rung', () => {
  test('loses no request: those under way end where they are, later ones go to the new one', async () => {
    const pool = await testPool({ workers: 2 });
    const predictor = await pool.open(await ladderFolder(), OPEN);
    const numbers = Array.from({ length: 60 }, (_, index) => index + 1);
    const before = numbers.map((index) => run(predictor, one(index)));
    const moved = predictor.rungs!.move(2, WHY);
    const during = numbers.map((index) => run(predictor, one(index)));
    await moved;
    expect(predictor.model).toMatchObject({ rung: 'quick', precision: 'int8' });
    expect(predictor.rungs).toMatchObject({ at: 2, best: 0, steps: 1, why: WHY });
    const after = numbers.map((index) => run(predictor, one(index)));
    const given = await Promise.all([before, during, after].map((all) => Promise.all(all)));
    const weight = Number(given[0]![0]!.y!.data[0]);
    for (const outputs of given) {
      const found = outputs.map(({ y }) => Math.round(Number(y!.data[0]) / weight));
      expect(found).toEqual(numbers);
    }
    const { models } = pool.stats();
    expect(models.filter(({ model }) => model.rung === 'quick')).toMatchObject([{ requests: 60 }]);
  });

  test('unloads the rung that it left once its requests are settled', async () => {
    const pool = await testPool();
    const predictor = await pool.open(await ladderFolder(), OPEN);
    const waiting = run(predictor, one(1));
    await predictor.rungs!.move(1, WHY);
    await waiting;
    await predictor.rungs!.move(2, WHY);
    await predictor.close();
    expect(pool.stats().models).toEqual([]);
    expect(pool.memoryBytes).toBe(0);
    expect(await codeOf(predictor.rungs!.move(0, WHY))).toBe('closed');
  });

  test('back and forth at once ends where the last one said', async () => {
    const pool = await testPool();
    const predictor = await pool.open(await ladderFolder(), OPEN);
    const { rungs } = predictor;
    const moves = [1, 2, 0, 2, 1].map((to) => rungs!.move(to, WHY));
    const runs = Array.from({ length: 40 }, (_, index) => run(predictor, one(index)));
    await Promise.all([...moves, ...runs]);
    expect(rungs).toMatchObject({ at: 1, steps: 5 });
    await predictor.close();
    expect(pool.stats().models).toEqual([]);
  });

  test('to a file that was changed since is refused, and the old one goes on', async () => {
    const folder = await ladderFolder();
    const pool = await testPool();
    const predictor = await pool.open(folder, OPEN);
    await writeFile(join(folder, 'model.quick.onnx'), 'something else');
    expect(await codeOf(predictor.rungs!.move(2, WHY))).toBe('model-invalid');
    expect(predictor.rungs?.refused).toMatch(/changed since it was opened/);
    await expect(run(predictor, one(1))).resolves.toHaveProperty('y');
    await predictor.rungs!.move(1, WHY);
    expect(predictor.rungs).toMatchObject({ at: 1, refused: undefined });
  });

  test('leaves another use of the same model where it is', async () => {
    const folder = await ladderFolder();
    const pool = await testPool();
    const [first, second] = [await pool.open(folder, OPEN), await pool.open(folder, OPEN)];
    await first.rungs!.move(2, WHY);
    expect([first.model.rung, second.model.rung]).toEqual(['quick', 'best']);
    await expect(run(second, one(1))).resolves.toHaveProperty('y');
  });

  test('counts a refused request as settled', async () => {
    const pool = await testPool();
    const predictor = await pool.open(await ladderFolder(), OPEN);
    expect(await codeOf(run(predictor, { x: float32([4], new Float32Array(4)) }))).toBe(
      'shape-mismatch',
    );
    await predictor.rungs!.move(2, WHY);
    await predictor.close();
    expect(pool.stats().models).toEqual([]);
  });
});
