import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { encodeModel, ONNX_LIMITS, parseModel } from '../../src/onnx/graph.ts';
import { int32Of, int64Of, splitVarints, varint } from '../../src/onnx/wire.ts';
import { LedgeError } from '../../src/std/error.ts';
import { castModel, matmulModel, runningSumModel } from '../fixtures/onnx-models.ts';
import { sharedData } from '../harness/shared-data.ts';

const models = sharedData('models');

function filesUnder(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.onnx') && !name.includes('corrupt'))
    .map((name) => join(folder, name));
}

function bytesOf(...values: number[]): Uint8Array {
  return Uint8Array.from(values);
}

function refusalOf(bytes: Uint8Array, limits = {}): string {
  try {
    parseModel(bytes, { ...ONNX_LIMITS, ...limits });
  } catch (error) {
    expect(error).toBeInstanceOf(LedgeError);
    expect((error as LedgeError).code).toBe('model-invalid');
    return (error as LedgeError).message;
  }
  return 'admitted';
}

describe('varint', () => {
  test.each([
    [0n, [0]],
    [127n, [127]],
    [300n, [0xac, 2]],
    [-1n, [255, 255, 255, 255, 255, 255, 255, 255, 255, 1]],
    [2n ** 63n - 1n, [255, 255, 255, 255, 255, 255, 255, 255, 127]],
  ])('of %s has protobuf’s bytes and reads back', (value, bytes) => {
    expect([...varint(value)]).toEqual(bytes);
    expect(int64Of(Uint8Array.from(bytes))).toBe(value);
  });

  test('of a negative int32 is ten bytes long and reads back', () => {
    expect(int32Of(varint(-7))).toBe(-7);
    expect(varint(-7)).toHaveLength(10);
  });

  test('split of a cut varint is refused', () => {
    expect(splitVarints(bytesOf(1, 0x80, 1, 2))).toHaveLength(3);
    expect(() => splitVarints(bytesOf(1, 0x80))).toThrow('does not end');
  });
});

describe('a model file', () => {
  const fixtures = [matmulModel({ inputs: 3, outputs: 2 }), castModel('int8'), runningSumModel(4)];

  test('that our writer made parses to the same model', () => {
    for (const fixture of fixtures) {
      const bytes = encodeModel(fixture);
      expect(encodeModel(parseModel(bytes))).toEqual(bytes);
      expect(parseModel(bytes).graph?.nodes).toEqual(fixture.graph?.nodes);
    }
  });

  test('keeps fields that we do not know, where they stood', () => {
    const plain = encodeModel(matmulModel({ inputs: 2, outputs: 2 }));
    // Field 6, the documentation, then field 1000: both unknown to the reader.
    const unknown = bytesOf(0x32, 2, 0x68, 0x69, 0xc0, 0x3e, 5);
    const bytes = new Uint8Array([...plain, ...unknown]);
    const model = parseModel(bytes);
    expect(model.unknown).toEqual([{ number: 6, bytes: unknown }]);
    expect(parseModel(encodeModel(model)).unknown).toEqual(model.unknown);
  });

  test('gives its weights as views on the file', () => {
    const bytes = encodeModel(matmulModel({ inputs: 64, outputs: 64 }));
    const weights = parseModel(bytes).graph?.initializers[0]?.rawData;
    expect(weights).toHaveLength(64 * 64 * 4);
    expect(weights?.buffer).toBe(bytes.buffer);
  });

  test.each<[string, Uint8Array, RegExp]>([
    ['a length beyond the end', bytesOf(0x3a, 0xff, 0xff, 0xff, 0x7f), /268435455 bytes/],
    ['a length over 32 bits', bytesOf(0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 1), /the length/],
    ['a varint of eleven bytes', new Uint8Array(11).fill(0xff), /does not end/],
    ['a group', bytesOf(0x3b, 0x3c), /wire type 3/],
    ['the field number 0', bytesOf(0x00, 0x01), /field number 0/],
    ['two graphs', bytesOf(0x3a, 0, 0x3a, 0), /a second "graph"/],
    ['a name that is not UTF-8', bytesOf(0x12, 1, 0xff), /not UTF-8/],
  ])('with %s is refused with its place', (_, bytes, message) => {
    expect(refusalOf(bytes)).toMatch(message);
    expect(refusalOf(bytes)).toMatch(/at byte \d+$/);
  });

  test('over a limit is refused', () => {
    const bytes = encodeModel(matmulModel({ inputs: 2, outputs: 2 }));
    expect(refusalOf(bytes, { fieldsMax: 10 })).toMatch('more fields');
    expect(refusalOf(bytes, { messagesMax: 3 })).toMatch('more messages');
    expect(refusalOf(bytes, { depthMax: 2 })).toMatch('nested deeper');
  });
});

describe.skipIf(models === undefined)('real model files (../shared/data/models)', () => {
  test.each(models === undefined ? [] : filesUnder(models))(
    '%s comes out as it went in',
    (path) => {
      const bytes = readFileSync(path);
      expect(Buffer.compare(encodeModel(parseModel(bytes)), bytes)).toBe(0);
    },
  );
});
