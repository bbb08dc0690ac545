import { expect, test } from 'vitest';
import { route } from '../../../src/stages/publish/route.ts';
import { describeStage } from '../../conformance/stage.ts';
import { compileStage, runStage } from '../../harness/run-stage.ts';
import { classification, result, scoresType } from '../postprocess/labelled.ts';

const input = classification('yes', 'no', 'a/b+#');
const config = { topics: { yes: 'alarm/{device}' }, drop: ['no'] };
const word = (label: string) => result({ label, score: 1 });

describeStage({
  stage: route,
  cases: [{ title: 'by label', config, input, values: [word('yes'), word('no'), word('other')] }],
  wrongInputs: [{ kind: 'text' }, scoresType('a'), classification('left', 'right')],
});

test.each([
  ['to the topic of its label', config, word('yes'), 'alarm/device-0'],
  ['to its device otherwise', config, word('other'), undefined],
  ['by a template', { otherwise: '{device}/{value}' }, word('yes'), 'device-0/yes'],
  ['as one level of a topic', { otherwise: '{value}' }, word('a/b+#'), 'a_b__'],
  ['as a level that is not empty', { otherwise: 'x/{value}' }, word(''), 'x/_'],
  [
    'by another field',
    { field: 'anomaly', topics: { true: 'alarm' } },
    result({ anomaly: true }),
    'alarm',
  ],
  [
    'by a label that tries to be a template',
    { otherwise: '{value}' },
    word('{device}'),
    '{device}',
  ],
  ["by a label called as every object's own field", config, word('constructor'), undefined],
])('route sends a result %s', async (_title, settings, value, topic) => {
  const outcomes = await runStage(route, { config: settings, input: classification() }, [value]);
  const sent = topic === undefined ? value : { ...value, topic };
  expect(outcomes).toEqual([{ kind: 'emit', value: sent }]);
});

test('route drops what it is told to', async () => {
  const outcomes = await runStage(route, { config, input }, [word('no')]);
  expect(outcomes).toEqual([{ kind: 'drop', reason: 'filtered' }]);
});

test.each([
  ['missing', result({ score: 1 })],
  ['a list', result({ label: ['yes'] })],
])('route fails an event whose field is %s', async (_title, value) => {
  const run = runStage(route, { config: {}, input: classification() }, [value]);
  await expect(run).rejects.toMatchObject({ code: 'value-invalid' });
});

test.each([
  ['topics.maybe', { topics: { maybe: 'x' } }],
  ['drop', { drop: ['maybe'] }],
])('route is refused with an unknown label in %s', async (field, settings) => {
  await expect(compileStage(route, { config: settings, input })).rejects.toMatchObject({ field });
});

test.each(['', 'a/#', 'a/+/b', 'a\0'])('route refuses the topic %j', (topic) => {
  expect(route.schema.safeParse({ otherwise: topic }).success).toBe(false);
});
