import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Step } from '../../src/flow/stage.ts';
import type { Value } from '../../src/flow/value.ts';
import type { Pool } from '../../src/infer/pool.ts';
import type { Predictor } from '../../src/infer/predictor.ts';
import { BASELINE_STATE, createBaselineModel } from '../../src/models/baseline-model.ts';
import { DEVIATIONS_MAX } from '../../src/signal/learned-normal.ts';
import { type BaselineConfig, baseline } from '../../src/stages/preprocess/baseline.ts';
import { parseBaselineState } from '../../src/stages/preprocess/baseline-state.ts';
import { type Tensor, tensorOf, zeros } from '../../src/tensor/tensor.ts';
import { compileStage, runStep, type StageUse } from '../harness/run-stage.ts';
import { OPEN, run, testPool, writeModel } from '../infer/test-pool.ts';

/** Scores of the model and of the stage differ by no more, in parts of the score or of 1. */
const TOLERANCE = 1e-5;

/** A machine: fields of any size that move together, one of them perhaps not at all. */
interface Machine {
  readonly offsets: readonly number[];
  readonly sizes: readonly number[];
  readonly coupling: number;
  readonly seed: number;
}

function recordOf({ offsets, sizes, coupling, seed }: Machine, at: number, fault = 0): Value {
  const load = Math.sin(at * 0.7 + seed) + Math.sin(at * 1.93);
  const entries = offsets.map((offset, field) => {
    const own = Math.sin(at * (2.1 + field) + seed * field) + Math.sin(at * 0.37 * (field + 1));
    const moved = coupling * load + (1 - coupling) * own + (field === 0 ? fault : 0);
    return [`f${field}`, offset + (sizes[field] as number) * moved] as const;
  });
  return { kind: 'fields', fields: Object.fromEntries(entries) };
}

const machines = fc.integer({ min: 1, max: 8 }).chain((n) =>
  fc.record({
    offsets: fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), {
      minLength: n,
      maxLength: n,
    }),
    sizes: fc.array(fc.constantFrom(0, 0.01, 1, 250), { minLength: n, maxLength: n }),
    coupling: fc.constantFrom(0, 0.5, 0.99),
    seed: fc.double({ min: 0, max: 6, noNaN: true }),
  }),
);

const settings = fc.record({
  window: fc.constantFrom(1, 4, 20),
  adaptEvents: fc.constantFrom(0, 5, 75),
  adaptBelow: fc.constantFrom(0.5, 2.25),
});

async function learned(machine: Machine, given: object) {
  const config = baseline.schema.parse({ learn: 60, ...given }) as BaselineConfig;
  const use: StageUse = { config: { ...config }, input: { kind: 'fields' } };
  const step = (await compileStage(baseline, use)).open();
  // A few more than are learned from: normal has begun to follow.
  for (let at = 0; at < 70; at++) await runStep(step, recordOf(machine, at), { use });
  return { config, use, step };
}

async function openModel(pool: Pool, step: Step, config: BaselineConfig): Promise<Predictor> {
  const state = parseBaselineState(step.snapshot?.(), config);
  if (state.phase !== 'learned') throw new Error('the machine has not learned');
  const { names, normal, reference, recent } = state;
  const { mean, scale, whiten } = normal;
  const parts = { names, mean, scale, whiten, reference, recent, deviationsMax: DEVIATIONS_MAX };
  return pool.open(await writeModel(createBaselineModel({ ...parts, ...config })), OPEN);
}

/** A caller that keeps the states of one device. */
function openDevice(predictor: Predictor) {
  const states: Record<string, Tensor> = {};
  for (const { name, type, shape } of predictor.inputs) {
    if (name !== 'fields')
      states[name] = zeros(
        type,
        shape.map((size) => Math.abs(size)),
      );
  }
  return async (value: Value) => {
    const row = Float64Array.from(value.kind === 'fields' ? Object.values(value.fields) : []);
    const outputs = await run(predictor, {
      fields: tensorOf('float64', [1, row.length], row),
      ...states,
    });
    for (const [from, to] of Object.entries(BASELINE_STATE)) states[to] = outputs[from] as Tensor;
    const deviation = Array.from(outputs.deviation?.data as Float32Array);
    return { deviation, score: Number(outputs.score?.data[0]) };
  };
}

async function deviationsOf(step: Step, value: Value, use: StageUse): Promise<number[]> {
  const outcome = await runStep(step, value, { use });
  if (outcome.kind !== 'emit' || outcome.value.kind !== 'fields') throw new Error('nothing came');
  return Object.values(outcome.value.fields);
}

test('the model says of any machine what the stage says, event by event', async () => {
  const pool = await testPool();
  const property = fc.asyncProperty(machines, settings, async (machine, given) => {
    const { config, use, step } = await learned(machine, given);
    const predictor = await openModel(pool, step, config);
    const device = openDevice(predictor);
    for (let at = 70; at < 130; at++) {
      const value = recordOf(machine, at, at < 90 ? 0.002 * (at - 70) : at < 110 ? 8 : 0);
      const [said, expected] = [await device(value), await deviationsOf(step, value, use)];
      const score = Math.hypot(...expected);
      const room = TOLERANCE * Math.max(1, score);
      expect(Math.abs(said.score - score)).toBeLessThanOrEqual(room);
      expected.forEach((deviation, field) => {
        expect(Math.abs((said.deviation[field] as number) - deviation)).toBeLessThanOrEqual(room);
      });
    }
    await predictor.close();
  });
  await fc.assert(property, { numRuns: 25, seed: 7 });
}, 30_000);

test('machines that share a run of the pool keep to their own states', async () => {
  const machine = { offsets: [20, 5, 230], sizes: [1, 2, 0], coupling: 0.5, seed: 1 };
  const { config, use, step } = await learned(machine, { window: 4 });
  const pool = await testPool();
  const predictor = await openModel(pool, step, config);
  const kept = step.snapshot?.();
  const devices = await Promise.all(
    Array.from({ length: 8 }, async (_, index) => {
      const own = (await compileStage(baseline, use)).open();
      own.restore?.(kept);
      return { own, model: openDevice(predictor), fault: index };
    }),
  );
  for (let at = 70; at < 90; at++) {
    await Promise.all(
      devices.map(async ({ own, model, fault }) => {
        const value = recordOf(machine, at, fault);
        const expected = Math.hypot(...(await deviationsOf(own, value, use)));
        expect((await model(value)).score / Math.max(1, expected)).toBeCloseTo(
          expected / Math.max(1, expected),
          5,
        );
      }),
    );
  }
  const [{ requests, batches } = { requests: 0, batches: 0 }] = pool.stats().models;
  expect(batches).toBeLessThan(requests);
});
