import { expect, test } from 'vitest';
import type { Value } from '../../../src/flow/value.ts';
import { anomalyScore } from '../../../src/stages/postprocess/anomaly-score.ts';
import { float32 } from '../../../src/tensor/tensor.ts';
import { describeStage } from '../../conformance/stage.ts';
import { runStage } from '../../harness/run-stage.ts';

const FIELDS = { kind: 'fields' } as const;

const fields = (one: number, two = 0): Value => ({ kind: 'fields', fields: { one, two } });

/** The results of a run of scores. */
async function scored(config: Record<string, unknown>, values: readonly Value[]) {
  const outcomes = await runStage(anomalyScore, { config, input: FIELDS }, values);
  return outcomes.map((outcome) =>
    outcome.kind === 'emit' && outcome.value.kind === 'result' ? outcome.value.result : undefined,
  );
}

describeStage({
  stage: anomalyScore,
  cases: [
    {
      title: 'fields',
      config: {},
      input: FIELDS,
      values: [fields(0.5), fields(9, 1), fields(2.1)],
    },
    {
      title: 'a tensor',
      config: { combine: 'mean' },
      input: { kind: 'tensor', type: 'float32', shape: [2], labels: ['a', 'b'] },
      values: [float32([2], Float32Array.of(3, -4))],
    },
  ],
  wrongInputs: [{ kind: 'bytes' }, { kind: 'tensor', type: 'int64', shape: [2] }],
});

test.each([
  ['length', 5],
  ['max', 4],
  ['mean', 3.5],
])('anomaly-score combines 3 and -4 by %s to %d', async (combine, score) => {
  expect(await scored({ combine }, [fields(3, -4)])).toMatchObject([{ score, anomaly: true }]);
});

test('anomaly-score tells which fields deviate, the most first', async () => {
  const [result] = await scored({ top: 1 }, [fields(3, -4)]);
  expect(result?.top).toEqual([{ field: 'two', share: 0.64 }]);
});

test('anomaly-score lets an anomaly end on the way back from a high peak', async () => {
  const scores = [1, 40, 39, 9, 5].map((score) => fields(score));
  const anomalies = async (release: number) =>
    (await scored({ release }, scores)).map((result) => result?.anomaly);
  expect(await anomalies(0.25)).toEqual([false, true, true, false, false]);
  expect(await anomalies(0)).toEqual([false, true, true, true, true]);
});

test('anomaly-score forgets a peak, so that a small anomaly counts again', async () => {
  const scores = [40, ...Array<number>(30).fill(0), 5].map((score) => fields(score));
  expect((await scored({ forgetEvents: 10 }, scores)).at(-1)).toMatchObject({ anomaly: true });
  expect((await scored({ forgetEvents: 1000 }, scores)).at(-1)).toMatchObject({ anomaly: false });
});

test('anomaly-score refuses a deviation that is not finite', async () => {
  await expect(scored({}, [fields(Number.NaN)])).rejects.toMatchObject({ code: 'value-invalid' });
});
