import { describe, expect, test } from 'vitest';
import { json } from '../../../src/stages/decode/json.ts';
import { describeStage } from '../../conformance/stage.ts';
import { compileStage, eventOf, runStep } from '../../harness/run-stage.ts';
import { BYTES, bytesOf, decoded, describeRefusals } from './bytes.ts';

describeStage({
  stage: json,
  cases: [
    { title: 'records', config: {}, input: BYTES, values: [bytesOf('{"a":1}'), bytesOf('{}')] },
  ],
  wrongInputs: [{ kind: 'fields' }, { kind: 'text' }],
});

test('json gives numbers as they are and booleans as 0 and 1', async () => {
  const payload = bytesOf(' {"temp": -1.5e2, "on": true, "off": false, "constructor": 3}');
  expect(await decoded(json, {}, payload)).toEqual([
    { kind: 'fields', fields: { temp: -150, on: 1, off: 0, constructor: 3 } },
  ]);
});

describe('the ts of a record becomes the time of the event', () => {
  const at = Date.UTC(2025, 4, 6, 7, 8, 9);
  test.each([
    ['seconds', at / 1000, at],
    ['seconds with a fraction', at / 1000 + 0.25, at + 250],
    ['milliseconds', at, at],
    ['ISO 8601', '"2025-05-06T07:08:09Z"', at],
    ['ISO 8601 with an offset', '"2025-05-06T09:08:09.000+02:00"', at],
    ['ISO 8601 without a zone, as UTC', '"2025-05-06T07:08:09"', at],
    ['a date', '"2025-05-06"', Date.UTC(2025, 4, 6)],
  ])('%s', async (_, ts, expected) => {
    const event = eventOf();
    const use = { config: {}, input: BYTES };
    const step = (await compileStage(json, use)).open();
    const outcome = await runStep(step, bytesOf(`{"ts":${ts},"x":1}`), { use, event });
    expect(event.ts).toBe(expected);
    expect(outcome).toEqual({ kind: 'emit', value: { kind: 'fields', fields: { x: 1 } } });
  });

  test('a record without one keeps the time of its arrival', async () => {
    const event = eventOf({ ts: 5 });
    const use = { config: { timestampField: 'time' }, input: BYTES };
    const step = (await compileStage(json, use)).open();
    await runStep(step, bytesOf('{"ts":1}'), { use, event });
    expect(event.ts).toBe(5);
  });
});

const many = JSON.stringify(Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`f${i}`, i])));

describeRefusals(json, [
  ['text that is no JSON', {}, bytesOf('{"a":'), 'payload-invalid', /Cannot decode JSON/],
  ['an empty payload', {}, bytesOf(''), 'payload-invalid', /JSON/],
  ['bytes that are not UTF-8', {}, bytesOf([0x7b, 0xff]), 'payload-invalid', /UTF-8/],
  ['a list', {}, bytesOf('[1]'), 'payload-invalid', /object of numbers/],
  ['null', {}, bytesOf('null'), 'payload-invalid', /object of numbers/],
  ['text as a value', {}, bytesOf('{"temp":"21"}'), 'value-invalid', /temp is a string/],
  ['null as a value', {}, bytesOf('{"temp":null}'), 'value-invalid', /temp is null/],
  ['NaN, which is no JSON', {}, bytesOf('{"temp":NaN}'), 'payload-invalid', /JSON/],
  ['a number over the range', {}, bytesOf('{"temp":1e999}'), 'value-invalid', /temp is Infinity/],
  ['an object as a value', {}, bytesOf('{"a":{"b":1}}'), 'value-invalid', /a is an object/],
  ['nesting without end', {}, bytesOf(`{"a":${'['.repeat(30_000)}`), 'payload-invalid', /JSON/],
  [
    'nesting that ends',
    {},
    bytesOf(`{"a":${'['.repeat(30_000)}${']'.repeat(30_000)}}`),
    'value-invalid',
    /a is a list/,
  ],
  ['the name __proto__', {}, bytesOf('{"__proto__":1}'), 'payload-invalid', /__proto__/],
  ['an empty name', {}, bytesOf('{"":1}'), 'payload-invalid', /no name/],
  ['more fields than allowed', { fieldsMax: 8 }, bytesOf(many), 'payload-invalid', /more than 8/],
  ['more bytes than allowed', { payloadBytesMax: 8 }, bytesOf(many), 'payload-too-large', /8/],
  ['a time in microseconds', {}, bytesOf('{"ts":1e15}'), 'value-invalid', /ts is 1000000000000000/],
  ['a time before 1970', {}, bytesOf('{"ts":-1}'), 'value-invalid', /ts is -1/],
  ['a time in words', {}, bytesOf('{"ts":"noon"}'), 'value-invalid', /ts is "noon"/],
]);
