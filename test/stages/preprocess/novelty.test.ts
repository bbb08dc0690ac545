import { expect, test } from 'vitest';
import type { Outcome } from '../../../src/flow/stage.ts';
import type { Value } from '../../../src/flow/value.ts';
import { novelty } from '../../../src/stages/preprocess/novelty.ts';
import { describeStage } from '../../conformance/stage.ts';
import { compileStage, runStage, runStep } from '../../harness/run-stage.ts';

const SMALL = { learn: 20 };
const HOUR_MS = 3_600_000;

const machine = (at: number): Value => ({
  kind: 'fields',
  fields: { load: Math.sin(at * 0.7), heat: 40 + Math.sin(at * 1.93) },
});

const machines = (count: number): Value[] => Array.from({ length: count }, (_, at) => machine(at));

const use = (config: Record<string, unknown> = {}) => ({
  config: { ...SMALL, ...config },
  input: { kind: 'fields' as const },
});

const fieldsOf = (outcome: Outcome | undefined) =>
  outcome?.kind === 'emit' && outcome.value.kind === 'fields' ? outcome.value.fields : undefined;

describeStage({
  stage: novelty,
  cases: [
    { title: 'fields', ...use(), values: machines(26) },
    { title: 'named fields', ...use({ fields: ['heat'] }), values: machines(23) },
    { title: 'no course of the day', ...use({ dailyWeight: 0 }), values: machines(23) },
  ],
  wrongInputs: [{ kind: 'bytes' }, { kind: 'tensor', type: 'float32', shape: [2] }],
});

test('novelty holds at first, then tells what no earlier value came near', async () => {
  const odd: Value = { kind: 'fields', fields: { load: 9, heat: 40 } };
  const outcomes = await runStage(novelty, use({ dailyWeight: 0 }), [...machines(60), odd, odd]);
  expect(outcomes.slice(0, 20).every(({ kind }) => kind === 'hold')).toBe(true);
  expect(fieldsOf(outcomes.at(-2))?.load).toBeGreaterThan(3);
  expect(fieldsOf(outcomes.at(-2))?.heat).toBeLessThan(1);
  expect(fieldsOf(outcomes.at(-1))?.load).toBeLessThan(1);
});

test.each([
  [0.3, true],
  [0, false],
])(
  'novelty with dailyWeight %d sees a usual value at an unusual hour: %s',
  async (dailyWeight, sees) => {
    const day = (hour: number): Value => ({
      kind: 'fields',
      fields: { load: (hour % 24 === 8 ? 100 : 10) + Math.sin(hour) },
    });
    const days = Array.from({ length: 24 * 8 }, (_, hour) => day(hour));
    const wrong: Value = { kind: 'fields', fields: { load: 100 } };
    const settings = { ...use({ dailyWeight }), intervalMs: HOUR_MS };
    const outcomes = await runStage(novelty, settings, [...days, wrong]);
    expect((fieldsOf(outcomes.at(-1))?.load ?? 0) > 0.5).toBe(sees);
  },
);

test('novelty goes on after a restart as if there had been none', async () => {
  const [before, after] = [novelty, novelty].map((stage) => compileStage(stage, use()));
  const [first, second] = [(await before!).open(), (await after!).open()];
  for (const value of machines(40)) await runStep(first, value, { use: use() });
  second.restore?.(JSON.parse(JSON.stringify(first.snapshot?.())));
  for (const value of machines(60).slice(40)) {
    const said = await runStep(second, value, { use: use() });
    expect(said).toEqual(await runStep(first, value, { use: use() }));
  }
});

test('novelty does not take back what it kept for other fields', async () => {
  const step = (await compileStage(novelty, use())).open();
  for (const value of machines(3)) await runStep(step, value, { use: use() });
  const other = (await compileStage(novelty, use({ fields: ['heat'] }))).open();
  expect(() => other.restore?.(step.snapshot?.())).toThrow(/heat, load/);
});
