import { describe, expect, test } from 'vitest';
import type { Value } from '../../../src/flow/value.ts';
import { senml } from '../../../src/stages/decode/senml.ts';
import { describeStage } from '../../conformance/stage.ts';
import {
  compileStage,
  eventOf,
  FIRST_EVENT_TS,
  runStep,
  valuesOf,
} from '../../harness/run-stage.ts';
import { BYTES, bytesOf, describeRefusals } from './bytes.ts';

const pack = (records: unknown) => bytesOf(JSON.stringify(records));
const device = 'urn:dev:ow:10e2073a01080063:';

describeStage({
  stage: senml,
  cases: [
    {
      title: 'packs of one time and of several',
      config: {},
      input: BYTES,
      values: [
        pack([{ n: 'a', v: 1 }]),
        pack([
          { n: 'a', v: 1 },
          { n: 'a', t: -1, v: 2 },
        ]),
      ],
    },
  ],
  wrongInputs: [{ kind: 'text' }],
});

async function decode(records: unknown, config: Record<string, unknown> = {}) {
  const event = eventOf();
  const use = { config, input: BYTES };
  const step = (await compileStage(senml, use)).open();
  const values = valuesOf(await runStep(step, pack(records), { use, event }));
  const fields = values.map((value: Value) => (value.kind === 'fields' ? value.fields : undefined));
  return { fields, ts: event.ts - FIRST_EVENT_TS };
}

describe('senml', () => {
  test.each([
    ['one record', [{ bn: device, n: 'temp', u: 'Cel', v: 23.1 }], {}, [{ temp: 23.1 }]],
    ['the base name alone', [{ bn: 'dev:temp', v: 1 }], {}, [{ 'dev:temp': 1 }]],
    [
      'full names',
      [
        { bn: device, n: 'a', v: 1 },
        { n: 'b', v: 2 },
      ],
      { names: 'full' },
      [{ [`${device}a`]: 1, [`${device}b`]: 2 }],
    ],
    [
      'a base name that changes',
      [
        { bn: 'x/', n: 'a', v: 1 },
        { bn: 'y/', n: 'a', v: 2 },
      ],
      { names: 'full' },
      [{ 'x/a': 1, 'y/a': 2 }],
    ],
    [
      'a base value',
      [
        { bv: 20, n: 'a', v: 1.5 },
        { n: 'b', v: -1 },
      ],
      {},
      [{ a: 21.5, b: 19 }],
    ],
    [
      'booleans',
      [
        { n: 'on', vb: true },
        { n: 'off', vb: false },
      ],
      {},
      [{ on: 1, off: 0 }],
    ],
    [
      'a record of base fields only',
      [
        { bn: 'x/', bt: -5 },
        { n: 'a', v: 1 },
      ],
      {},
      [{ a: 1 }],
    ],
    ['fields it does not know', [{ n: 'a', v: 1, extra: 'x' }], {}, [{ a: 1 }]],
    [
      'several times, oldest first',
      [
        { bn: 'x/', bt: 0, n: 'a', v: 3 },
        { n: 'b', v: 4 },
        { n: 'a', t: -2, v: 1 },
      ],
      {},
      [{ a: 1 }, { a: 3, b: 4 }],
    ],
  ])('reads %s', async (_, records, config, expected) => {
    expect((await decode(records, config)).fields).toEqual(expected);
  });

  test.each([
    ['no time is now', [{ n: 'a', v: 1 }], 0],
    ['below 2^28 is relative to now', [{ bt: -10, n: 'a', t: 3, v: 1 }], -7000],
    ['from 2^28 on is since 1970', [{ bt: FIRST_EVENT_TS / 1000, n: 'a', t: 5, v: 1 }], 5000],
    [
      'the newest of several is the event',
      [
        { n: 'a', v: 1 },
        { n: 'a', t: -9, v: 1 },
      ],
      0,
    ],
  ])('time: %s', async (_, records, ts) => {
    expect((await decode(records)).ts).toBe(ts);
  });
});

describeRefusals(senml, [
  ['an object', {}, pack({ n: 'a', v: 1 }), 'payload-invalid', /expected a list/],
  ['an empty list', {}, pack([]), 'payload-invalid', /no record has a value/],
  ['a list of numbers', {}, pack([1]), 'payload-invalid', /\[0\]/],
  ['a value of the wrong type', {}, pack([{ n: 'a', v: '1' }]), 'payload-invalid', /\[0\]\.v/],
  ['text values', {}, pack([{ n: 'a', vs: 'x' }]), 'value-invalid', /a\) has a vs/],
  ['binary values', {}, pack([{ n: 'a', vd: 'eA' }]), 'value-invalid', /a\) has a vd/],
  ['a label that must be understood', {}, pack([{ n: 'a', v: 1, x_: 1 }]), 'payload-invalid', /x_/],
  ['a newer version', {}, pack([{ bver: 11, n: 'a', v: 1 }]), 'payload-invalid', /bver is 11/],
  [
    'one name twice',
    {},
    pack([
      { n: 'a', v: 1 },
      { n: 'a', v: 2 },
    ]),
    'value-invalid',
    /a occurs twice/,
  ],
  ['no name at all', {}, pack([{ v: 1 }]), 'payload-invalid', /no name/],
  ['a number over the range', {}, bytesOf('[{"n":"a","v":1e999}]'), 'payload-invalid', /\[0\]\.v/],
  [
    'more records than allowed',
    { recordsMax: 1 },
    pack([
      { n: 'a', v: 1 },
      { n: 'b', v: 1 },
    ]),
    'payload-invalid',
    /2 records/,
  ],
  [
    'more fields than allowed',
    { fieldsMax: 1 },
    pack([
      { n: 'a', v: 1 },
      { n: 'b', v: 1 },
    ]),
    'payload-invalid',
    /more than 1/,
  ],
]);
