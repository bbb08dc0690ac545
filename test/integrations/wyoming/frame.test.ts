import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  createFrameReader,
  DATA_BYTES_MAX,
  encodeFrame,
  type Frame,
  HEADER_BYTES_MAX,
  PAYLOAD_BYTES_MAX,
} from '../../../src/integrations/wyoming/frame.ts';
import { LedgeError } from '../../../src/std/error.ts';
import { eventBytes } from './client.ts';

function readAll(chunks: Iterable<Uint8Array>): Frame[] {
  const reader = createFrameReader();
  return [...chunks].flatMap((chunk) => [...reader.push(chunk)]);
}

function chunked(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...places].map((start, at) => bytes.subarray(start, places[at] ?? bytes.length));
}

/** The schema leaves one key out, from which objects would inherit. */
const key = fc.string().filter((name) => name !== '__proto__');
const event = fc.record({
  type: fc.stringMatching(/^[a-z][a-z-]{0,20}$/),
  data: fc.dictionary(key, fc.jsonValue(), { maxKeys: 5 }),
  payload: fc.uint8Array({ maxLength: 300 }),
});
const cuts = fc.array(fc.nat(5000), { maxLength: 40 });

describe('a stream of frames', () => {
  test('is read the same however it is cut, whichever way its data is sent', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 6 }), cuts, fc.boolean(), (events, at, behind) => {
        const encode = behind ? eventBytes : encodeFrame;
        const bytes = Buffer.concat(
          events.map(({ type, data, payload }) => encode(type, data, Uint8Array.from(payload))),
        );
        const read = readAll(chunked(bytes, at));
        expect(read.map(({ type }) => type)).toEqual(events.map(({ type }) => type));
        // As JSON carries them: -0 becomes 0.
        expect(read.map(({ data }) => JSON.stringify(data))).toEqual(
          events.map(({ data }) => JSON.stringify(JSON.parse(JSON.stringify(data)))),
        );
        expect(read.map(({ payload }) => [...payload])).toEqual(
          events.map(({ payload }) => [...payload]),
        );
      }),
    );
  });

  test('of any bytes is read, or refused by code, and holds no more than it was given', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 20 }), (chunks) => {
        const reader = createFrameReader();
        let given = 0;
        try {
          for (const chunk of chunks) {
            given += chunk.length;
            for (const { type } of reader.push(chunk)) expect(type).not.toBe('');
            expect(reader.heldBytes).toBeLessThanOrEqual(given);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(LedgeError);
        }
      }),
    );
  });

  test('keeps the frames before a bad one', () => {
    const reader = createFrameReader();
    const seen: string[] = [];
    const bytes = Buffer.concat([encodeFrame('describe'), Buffer.from('nonsense\n')]);
    expect(() => {
      for (const { type } of reader.push(bytes)) seen.push(type);
    }).toThrow('header line is no JSON');
    expect(seen).toEqual(['describe']);
  });

  test('merges the data behind the header over the data in it', () => {
    const behind = '{"b":3}';
    const line = `{"type":"x","data":{"a":1,"b":2},"data_length":${behind.length}}\n`;
    expect(readAll([Buffer.from(line + behind)])[0]?.data).toEqual({ a: 1, b: 3 });
  });

  test('takes null where a field is left out', () => {
    const line = '{"type":"x","data":null,"data_length":null,"payload_length":null}\n';
    expect(readAll([Buffer.from(line)])).toMatchObject([{ type: 'x', data: {} }]);
  });
});

describe('a frame is refused, its field named,', () => {
  const far = (field: string, value: unknown) => `{"type":"x","${field}":${value}}\n`;
  test.each([
    ['', '\n', 'payload-invalid', 'header line is no JSON'],
    ['a list', '[1]\n', 'payload-invalid', 'header line does not fit'],
    ['no type', '{"data":{}}\n', 'payload-invalid', 'type'],
    ['an empty type', '{"type":""}\n', 'payload-invalid', 'type'],
    ['data that is a list', '{"type":"x","data":[1]}\n', 'payload-invalid', 'data'],
    ['a negative length', far('data_length', -1), 'payload-invalid', 'data_length'],
    ['a broken length', far('payload_length', 1.5), 'payload-invalid', 'payload_length'],
    ['a length as text', far('payload_length', '"9"'), 'payload-invalid', 'payload_length'],
    ['a huge length', far('payload_length', 1e300), 'payload-invalid', 'payload_length'],
    [
      'much data',
      far('data_length', DATA_BYTES_MAX + 1),
      'payload-too-large',
      `data_length has ${DATA_BYTES_MAX + 1} bytes, at most ${DATA_BYTES_MAX}`,
    ],
    [
      'a large payload',
      far('payload_length', PAYLOAD_BYTES_MAX + 1),
      'payload-too-large',
      'payload_length',
    ],
    [
      'a long header line',
      'x'.repeat(HEADER_BYTES_MAX + 1),
      'payload-too-large',
      `header line has ${HEADER_BYTES_MAX + 1} bytes`,
    ],
    ['data that is no JSON', `${far('data_length', 3)}{{{`, 'payload-invalid', 'data is no JSON'],
    ['data that is a number', `${far('data_length', 1)}7`, 'payload-invalid', 'no JSON object'],
  ])('with %s', (_, bytes, code, message) => {
    const read = () => readAll([Buffer.from(bytes)]);
    expect(read).toThrow(expect.objectContaining({ code }));
    expect(read).toThrow(message);
  });
});

test('what is named like a part of every object is plain data', () => {
  const line = '{"type":"x","data":{"__proto__":{"polluted":1},"constructor":2}}\n';
  const [frame] = readAll([Buffer.from(line)]);
  expect(Object.getPrototypeOf(frame?.data)).not.toHaveProperty('polluted');
  expect(({} as Record<string, unknown>).polluted).toBeUndefined();
});
