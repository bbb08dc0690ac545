import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  decodeMsgpack,
  encodeMsgpack,
  MSGPACK_DEPTH_MAX,
  MSGPACK_VALUES_MAX,
} from '../../src/std/msgpack.ts';

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

test('every JSON value comes back as it went', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 8 }), (value) => {
      // The library gives this key another name, so that no object inherits from a message.
      fc.pre(!JSON.stringify(value).includes('"__proto__"'));
      // JSON has no -0, and MessagePack's integers have none either.
      const plain: unknown = JSON.parse(JSON.stringify(value));
      expect(decodeMsgpack(encodeMsgpack(plain))).toEqual(plain);
    }),
    { numRuns: 300 },
  );
});

test('long strings, binaries, arrays and maps come back as they went', () => {
  const value = {
    text: 'x'.repeat(70_000),
    list: Array.from({ length: 70_000 }, (_, index) => index),
    map: Object.fromEntries(Array.from({ length: 70_000 }, (_, index) => [`k${index}`, index])),
    numbers: [-1, -33, -129, -40_000, -3e9, 127, 128, 65_536, 5e9, 0.1, 2 ** 53],
  };
  expect(decodeMsgpack(encodeMsgpack(value))).toEqual(value);
  const bytes = new Uint8Array(70_000).fill(7);
  expect(Buffer.from(decodeMsgpack(encodeMsgpack(bytes)) as Uint8Array).equals(bytes)).toBe(true);
});

describe('the specification is read beside what is written', () => {
  test.each([
    ['nil, false, true', '93 c0 c2 c3', [null, false, true]],
    ['64-bit integers', '92 cf 0000000000000007 d3 ffffffffffffffff', [7, -1]],
    ['floats', '92 ca 3fc00000 cb 3ff8000000000000', [1.5, 1.5]],
    ['strings of every size', '93 a161 d90162 da000163', ['a', 'b', 'c']],
    ['str 32, array 32, map 32', 'dd 00000002 db0000000161 df00000001a16101', ['a', { a: 1 }]],
    ['a timestamp', 'd6 ff 00000001', new Date(1000)],
  ])('%s', (_title, message, expected) => {
    expect(decodeMsgpack(hex(message))).toEqual(expected);
  });
});

describe('a message that is no MessagePack is refused before it costs memory', () => {
  test.each([
    ['nothing', ''],
    ['an array that says 4 billion', 'dd ffffffff 01'],
    ['a map that says 4 billion', 'df ffffffff 01'],
    ['a string that says 4 billion', 'db ffffffff 61'],
    ['a binary that says 4 billion', 'c6 ffffffff 61'],
    ['arrays that each promise the rest', 'dc0008 dc0007 dc0006 dc0005 01'],
    ['a value and a byte', '01 02'],
    ['the token that is never used', 'c1'],
    ['a record definition', 'd4 72 40 91 a161 01'],
    ['a reference', 'd6 69 00000001 90'],
    ['a regular expression', 'c7 01 78 00 92 a161 a0'],
    ['a class of errors', 'd4 65 00 93 a5 4572726f72 a0 c0'],
    ['a timestamp of 16 bytes', `c7 10 ff ${'00'.repeat(16)}`],
    ['half a float', 'cb 3ff8'],
  ])('%s', (_title, message) => {
    expect(() => decodeMsgpack(hex(message))).toThrow(
      expect.objectContaining({ code: 'payload-invalid' }),
    );
  });
  test('more values than the limit', () => {
    const bytes = Buffer.alloc(MSGPACK_VALUES_MAX + 5, 0x01);
    bytes[0] = 0xdd;
    bytes.writeUInt32BE(MSGPACK_VALUES_MAX, 1);
    expect(() => decodeMsgpack(bytes)).toThrow(/values$/);
  });
  test('nesting beyond the limit, however deep', () => {
    const nested = (depth: number) => Buffer.concat([Buffer.alloc(depth, 0x91), hex('01')]);
    expect(() => decodeMsgpack(nested(MSGPACK_DEPTH_MAX))).not.toThrow();
    for (const depth of [MSGPACK_DEPTH_MAX + 1, 1_000_000]) {
      expect(() => decodeMsgpack(nested(depth))).toThrow(/deep$/);
    }
  });
});

test('a key called __proto__ changes no object', () => {
  const decoded = decodeMsgpack(hex('81 a9 5f5f70726f746f5f5f 81 a161 01'));
  expect((decoded as { a?: unknown }).a).toBeUndefined();
  expect(({} as { a?: unknown }).a).toBeUndefined();
});

test('any bytes are read or refused with a code', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      try {
        decodeMsgpack(bytes);
      } catch (error) {
        expect(error).toMatchObject({ code: 'payload-invalid' });
      }
    }),
    { numRuns: 3000 },
  );
});
