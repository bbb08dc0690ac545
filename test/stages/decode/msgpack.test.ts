import fc from 'fast-check';
import { pack } from 'msgpackr';
import { expect, test } from 'vitest';
import { msgpack } from '../../../src/stages/decode/msgpack.ts';
import { readFlatMap } from '../../../src/stages/decode/msgpack-reader.ts';
import { LedgeError } from '../../../src/std/error.ts';
import { describeStage } from '../../conformance/stage.ts';
import { compileStage, eventOf, runStep } from '../../harness/run-stage.ts';
import { BYTES, bytesOf, decoded, describeRefusals } from './bytes.ts';

const packed = (value: unknown) => bytesOf(pack(value));

describeStage({
  stage: msgpack,
  cases: [{ title: 'records', config: {}, input: BYTES, values: [packed({ a: 1 }), packed({})] }],
  wrongInputs: [{ kind: 'fields' }],
});

test.each([
  ['small integers', { a: 0, b: 127, c: -32, d: -33 }],
  ['wide integers', { a: 255, b: 65_535, c: 4_294_967_295, d: -32_768, e: -2_147_483_648 }],
  ['64-bit integers', { a: 9_007_199_254_740_991, b: -9_007_199_254_740_991 }],
  ['fractions', { a: 0.1, b: -1.5, c: 1e300 }],
  ['twenty fields', Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`field-${i}`, i]))],
  ['long names', { [`n${'x'.repeat(60)}`]: 1, [`m${'y'.repeat(200)}`]: 2 }],
])('msgpack reads what msgpackr wrote: %s', async (_, fields) => {
  expect(await decoded(msgpack, {}, packed(fields))).toEqual([{ kind: 'fields', fields }]);
});

test('msgpack gives booleans as 0 and 1, float32 and 64-bit integers as numbers', async () => {
  const payload = bytesOf([
    0x84, 0xa1, 0x61, 0xc3, 0xa1, 0x62, 0xc2, 0xa1, 0x63, 0xca, 0x3f, 0xc0, 0, 0, 0xa1, 0x64, 0xd3,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe,
  ]);
  expect(await decoded(msgpack, {}, payload)).toEqual([
    { kind: 'fields', fields: { a: 1, b: 0, c: 1.5, d: -2 } },
  ]);
});

test.each([
  ['a msgpack timestamp of 4 bytes', new Date('2025-05-06T07:08:09Z')],
  ['a msgpack timestamp of 8 bytes', new Date('2025-05-06T07:08:09.250Z')],
  ['milliseconds', Date.UTC(2025, 4, 6)],
  ['milliseconds in 64 bits', BigInt(Date.UTC(2025, 4, 6))],
])('msgpack takes the time from %s', async (_, ts) => {
  const event = eventOf();
  const use = { config: {}, input: BYTES };
  const step = (await compileStage(msgpack, use)).open();
  await runStep(step, packed({ ts, x: 1 }), { use, event });
  expect(event.ts).toBe(Number(ts));
});

describeRefusals(msgpack, [
  ['an empty payload', {}, bytesOf([]), 'payload-invalid', /ends 1 bytes before/],
  ['a list', {}, packed([1, 2]), 'payload-invalid', /expected a map/],
  ['a map in a map', {}, packed({ a: { b: 1 } }), 'payload-invalid', /a has the type 0xde/],
  ['a list in a map', {}, packed({ a: [1] }), 'payload-invalid', /a has the type 0x91/],
  ['text as a value', {}, packed({ a: 'x' }), 'value-invalid', /a is a string/],
  ['null as a value', {}, packed({ a: null }), 'value-invalid', /a is null/],
  ['NaN', {}, packed({ a: Number.NaN }), 'value-invalid', /a is NaN/],
  ['binary data', {}, packed({ a: Buffer.from('x') }), 'payload-invalid', /a has the type 0xc4/],
  [
    'a map that says four billion entries',
    {},
    bytesOf([0xdf, 0xff, 0xff, 0xff, 0xff, 0xa1, 0x61, 1]),
    'payload-invalid',
    /says 4294967295 entries/,
  ],
  [
    'a list that says four billion elements',
    {},
    bytesOf([0x81, 0xa1, 0x61, 0xdd, 0xff, 0xff, 0xff, 0xff]),
    'payload-invalid',
    /0xdd/,
  ],
  [
    'a text longer than the payload',
    {},
    bytesOf([0x81, 0xdb, 0x7f, 0xff, 0xff, 0xff, 0x61, 1]),
    'payload-invalid',
    /before its last value/,
  ],
  [
    'an extension',
    {},
    bytesOf([0x81, 0xa1, 0x61, 0xd6, 0x72, 1, 2, 3, 4]),
    'payload-invalid',
    /extension/,
  ],
  ['a number as a name', {}, bytesOf([0x81, 1, 1]), 'payload-invalid', /no text/],
  ['bytes behind the map', {}, bytesOf([0x80, 0]), 'payload-invalid', /1 bytes follow/],
  ['the name __proto__', {}, packed(JSON.parse('{"__proto__":1}')), 'payload-invalid', /__proto__/],
  [
    'more fields than allowed',
    { fieldsMax: 1 },
    packed({ a: 1, b: 2 }),
    'payload-invalid',
    /2 entries/,
  ],
]);

test('msgpack reads any bytes or refuses them with payload-invalid', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 40 }),
      fc.integer({ min: 0x80, max: 0x8f }),
      (tail, head) => {
        try {
          readFlatMap(Uint8Array.of(head, ...tail), 16);
        } catch (error) {
          expect(error).toBeInstanceOf(LedgeError);
          expect((error as LedgeError).code).toBe('payload-invalid');
        }
      },
    ),
    { numRuns: 2000 },
  );
});
