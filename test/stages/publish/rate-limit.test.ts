import { expect, test } from 'vitest';
import { rateLimit } from '../../../src/stages/publish/rate-limit.ts';
import { describeStage } from '../../conformance/stage.ts';
import { compileStage, eventOf, FIRST_EVENT_TS, runStage } from '../../harness/run-stage.ts';
import { classification, result } from '../postprocess/labelled.ts';

const input = classification();
const values = Array.from({ length: 8 }, (_, index) => result({ index }));

describeStage({
  stage: rateLimit,
  cases: [
    {
      title: 'two in three seconds',
      config: { perSecond: 0.66, burst: 2 },
      input,
      values,
      intervalMs: 500,
    },
  ],
  wrongInputs: [],
});

/** Which of eight results pass, one letter each. */
async function passed(config: object, intervalMs: number): Promise<string> {
  const use = { config: { ...config }, input, intervalMs };
  const outcomes = await runStage(rateLimit, use, values);
  for (const outcome of outcomes) {
    if (outcome.kind === 'drop') expect(outcome.reason).toBe('rate-limited');
  }
  return outcomes.map(({ kind }) => (kind === 'emit' ? 'x' : '-')).join('');
}

test.each([
  [{ perSecond: 1 }, 1000, 'xxxxxxxx'],
  [{ perSecond: 10 }, 100, 'xxxxxxxx'],
  [{ perSecond: 3 }, 100, 'x---x---'],
  [{ perSecond: 1 }, 500, 'x-x-x-x-'],
  [{ perSecond: 0.5 }, 1000, 'x-x-x-x-'],
  [{ perSecond: 1, burst: 3 }, 0, 'xxx-----'],
  [{ perSecond: 1, burst: 2 }, 500, 'xxx-x-x-'],
])('rate-limit %j of events %i ms apart', async (config, intervalMs, expected) => {
  expect(await passed(config, intervalMs)).toBe(expected);
});

test('rate-limit does not fall silent when a clock is set back', async () => {
  const step = (await compileStage(rateLimit, { config: {}, input })).open();
  const at = async (ts: number) =>
    (await step.run(result({}), { event: eventOf({ ts }), named: () => undefined })).kind;
  expect(await at(FIRST_EVENT_TS)).toBe('emit');
  expect(await at(FIRST_EVENT_TS - 86_400_000)).toBe('emit');
  expect(await at(FIRST_EVENT_TS - 86_400_000)).toBe('drop');
});
