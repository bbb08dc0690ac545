import { pack } from 'msgpackr';
import { expect, test } from 'vitest';
import { sensor } from '../../../src/stages/decode/sensor.ts';
import { describeStage } from '../../conformance/stage.ts';
import { BYTES, bytesOf, decoded, describeRefusals } from './bytes.ts';

const forms = [
  ['a JSON object', bytesOf('\n {"a":1}')],
  ['a SenML list', bytesOf(' [{"n":"a","v":1}]')],
  ['a msgpack map', bytesOf(pack({ a: 1 }))],
] as const;

describeStage({
  stage: sensor,
  cases: [
    { title: 'every form', config: {}, input: BYTES, values: forms.map(([, value]) => value) },
  ],
  wrongInputs: [{ kind: 'image' }],
});

test.each(forms)('sensor knows %s by its first byte', async (_, value) => {
  expect(await decoded(sensor, {}, value)).toEqual([{ kind: 'fields', fields: { a: 1 } }]);
});

test.each([
  ['application/json', forms[0][1]],
  ['application/json; charset=utf-8', forms[0][1]],
  ['application/json', forms[1][1]],
  ['application/senml+json', forms[1][1]],
  ['Application/MsgPack', forms[2][1]],
  ['application/x-msgpack', forms[2][1]],
  ['text/plain', forms[0][1]],
])('sensor reads %s', async (contentType, value) => {
  const values = await decoded(sensor, {}, value, { contentType });
  expect(values).toEqual([{ kind: 'fields', fields: { a: 1 } }]);
});

test('sensor believes a content type that is not what the payload is, and says so', async () => {
  const run = decoded(sensor, {}, forms[0][1], { contentType: 'application/msgpack' });
  await expect(run).rejects.toMatchObject({ code: 'payload-invalid' });
});

describeRefusals(sensor, [
  ['an empty payload', {}, bytesOf(''), 'payload-invalid', /it is empty/],
  ['another form', {}, bytesOf('a=1'), 'payload-invalid', /begins with 0x61/],
]);
