import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { int4Block, int8Block } from '../../src/compress/passes/block.ts';
import { int8Dynamic } from '../../src/compress/passes/int8-dynamic.ts';
import { quantiseBlocks, quantiseColumns } from '../../src/compress/quantise.ts';
import type { Model } from '../../src/onnx/proto.ts';
import { attribute, model, node, valueInfo, weights } from '../fixtures/onnx-models.ts';
import { createPassCase, REAL_MODELS } from '../harness/compress-case.ts';
import { sharedData } from '../harness/shared-data.ts';

const cases = createPassCase();

/** x W + b, then x W' through Gemm, with W' as [outputs, inputs]. */
const layers = model({
  nodes: [
    node('MatMul', [['x', 'w'], ['p']]),
    node('Add', [['p', 'b'], ['q']]),
    node('Relu', [['q'], ['r']]),
    node('Gemm', [['r', 'v', 'c'], ['y']], { attributes: [attribute('transB', 1n)] }),
  ],
  initializers: [
    weights('w', [64, 96]),
    weights('b', [96]),
    weights('v', [40, 96]),
    weights('c', [40]),
  ],
  inputs: [valueInfo('x', 'float32', ['N', 64])],
  outputs: [valueInfo('y', 'float32', ['N', 40])],
});

/** A language model's ends: a table, and the same table turned round as the head. */
function tied(width: number): Model {
  return model({
    nodes: [
      node('Gather', [['table', 'ids'], ['e']]),
      node('Tanh', [['e'], ['h']]),
      node('Transpose', [['table'], ['head']], { attributes: [attribute('perm', [1n, 0n])] }),
      node('MatMul', [['h', 'head'], ['y']]),
    ],
    initializers: [weights('table', [50, width])],
    inputs: [valueInfo('ids', 'int64', ['N', 3])],
    outputs: [valueInfo('y', 'float32', ['N', 3, 50])],
  });
}

describe('quantised weights', () => {
  test('of columns are within half a step of what they stand for', () => {
    const columns = fc.integer({ min: 1, max: 5 });
    const numbers = fc.array(fc.float({ noNaN: true, min: -100, max: 100 }), {
      minLength: 5,
      maxLength: 40,
    });
    fc.assert(
      fc.property(columns, numbers, (count, list) => {
        const matrix = Float32Array.from(list.slice(0, list.length - (list.length % count)));
        const { values, scales } = quantiseColumns(matrix, count);
        for (const [at, value] of matrix.entries()) {
          const scale = scales[at % count]!;
          expect(Math.abs((values[at]! - 128) * scale - value)).toBeLessThanOrEqual(scale * 0.5001);
        }
      }),
    );
  });

  test.each([4, 8] as const)(
    'of blocks of %s bits are within a step, the last block cut',
    (bits) => {
      const list = fc.array(fc.float({ noNaN: true, min: -10, max: 10 }), {
        minLength: 40,
        maxLength: 40,
      });
      fc.assert(
        fc.property(list, (numbers) => {
          const matrix = Float32Array.from(numbers);
          const { values, scales, blocks } = quantiseBlocks(matrix, 20, {
            block: 16,
            bits,
            search: false,
          });
          expect(blocks).toBe(2);
          const half = 2 ** (bits - 1);
          for (const [at, value] of matrix.entries()) {
            const place = Math.floor(at / 20) * 2 + Math.floor((at % 20) / 16);
            const index = (at % 20) % 16;
            const level =
              bits === 8
                ? values[place * 16 + index]!
                : (values[place * 8 + (index >> 1)]! >> ((index & 1) * 4)) & 15;
            const scale = scales[place]!;
            expect(Math.abs((level - half) * scale - value)).toBeLessThanOrEqual(
              Math.abs(scale) * 1.001,
            );
          }
        }),
      );
    },
  );

  test('have less error where the factor is looked for', () => {
    const matrix = weights('w', [64, 64]).rawData!;
    const data = new Float32Array(matrix.buffer, matrix.byteOffset, 4096).map((x) => x ** 3);
    const error = (search: boolean) => {
      const { values, scales } = quantiseBlocks(data, 64, { block: 32, bits: 4, search });
      return data.reduce((sum, value, at) => {
        const place = Math.floor(at / 32);
        const level = (values[place * 16 + ((at % 32) >> 1)]! >> ((at & 1) * 4)) & 15;
        return sum + ((level - 8) * scales[place]! - value) ** 2;
      }, 0);
    };
    expect(error(true)).toBeLessThan(error(false));
  });
});

describe('int8-dynamic', () => {
  test.each(['signed', 'unsigned'])(
    'takes MatMul with its bias and Gemm, quantising each input once, weights %s',
    async (weights) => {
      const done = await cases.apply(layers, int8Dynamic, { weights });
      const { operators, difference, bytes, bytesBefore } = done;
      expect(operators).toEqual({
        DynamicQuantizeLinear: 2,
        'com.microsoft.MatMulIntegerToFloat': 2,
        Relu: 1,
      });
      expect(difference.sqnrDb).toBeGreaterThan(30);
      expect(bytesBefore / bytes).toBeGreaterThan(2.5);
    },
  );

  test('leaves small weights and excluded nodes, and says so', async () => {
    const config = { exclude: ['Gemm'], elementsMin: 6145 };
    const { report, difference } = await cases.apply(layers, int8Dynamic, config);
    expect(report.left).toEqual([
      { where: 'MatMul', reason: '6144 weights, fewer than 6145' },
      { where: 'Gemm', reason: 'excluded by the recipe' },
    ]);
    expect(difference.maxError).toBe(0);
  });

  test('works with old operator sets, each product quantising its input itself', async () => {
    const old = { ...layers, opsetImports: [{ unknown: [], version: 8n }] };
    const { operators, difference } = await cases.apply(old, int8Dynamic);
    expect(operators).toEqual({ 'com.microsoft.DynamicQuantizeMatMul': 2, Relu: 1 });
    expect(difference.sqnrDb).toBeGreaterThan(30);
  });

  test('stores a table and the head made of it once', async () => {
    const { operators, difference, bytes, bytesBefore } = await cases.apply(tied(64), int8Dynamic);
    expect(operators).toEqual({
      Gather: 2,
      DequantizeLinear: 1,
      Mul: 1,
      Transpose: 1,
      Tanh: 1,
      DynamicQuantizeLinear: 1,
      'com.microsoft.MatMulIntegerToFloat': 1,
    });
    expect(difference.sqnrDb).toBeGreaterThan(30);
    expect(bytesBefore / bytes).toBeGreaterThan(2.5);
  });

  test('takes only what it is told to, by the name of its weights', async () => {
    const { report } = await cases.apply(layers, int8Dynamic, { only: ['v*', 'x.?'] });
    expect(report.done).toEqual({ 'Gemm in 8 bits': 1 });
    expect(report.left).toEqual([{ where: 'MatMul', reason: 'excluded by the recipe' }]);
  });
});

describe('blocks', () => {
  test.each([
    [8, 32, 32],
    [8, 128, 32],
    [4, 16, 14],
    [4, 32, 14],
    [4, 128, 12],
  ] as const)(
    'of %s bits and %s numbers give the outputs within %s dB',
    async (bits, block, decibels) => {
      const pass = bits === 8 ? int8Block : int4Block;
      const { operators, difference } = await cases.apply(layers, pass, { block });
      expect(operators).toMatchObject({ 'com.microsoft.MatMulNBits': 2 });
      expect(difference.sqnrDb).toBeGreaterThan(decibels);
    },
  );

  test.each([int8Block, int4Block])(
    '%o store a table and the head made of it once',
    async (pass) => {
      const { operators, report, difference } = await cases.apply(tied(96), pass, { block: 128 });
      expect(operators).toMatchObject({ 'com.microsoft.GatherBlockQuantized': 1, Reshape: 1 });
      expect(report.done).toMatchObject({ 'head that shares its table': 1 });
      expect(difference.sqnrDb).toBeGreaterThan(pass === int4Block ? 12 : 30);
    },
  );

  test('leave a table whose rows do not fill blocks', async () => {
    const { operators, report } = await cases.apply(tied(24), int8Block);
    expect(operators).toMatchObject({ Gather: 1 });
    expect(report.left).toHaveLength(1);
  });
});

const models = sharedData('models');

describe.skipIf(models === undefined)('on real models (../shared/data/models)', () => {
  const linear = [
    'mlperf-tiny/ad01_toycar.onnx',
    'openwakeword/alexa_v0.1.onnx',
    'tiny-random-gpt2/past.onnx',
  ];
  test.each(
    linear.flatMap((name) => [
      [name, 'int8-dynamic', 25] as const,
      [name, 'int8-block', 30] as const,
      [name, 'int4-block', 8] as const,
    ]),
  )('%s by %s keeps its outputs within %s dB', async (name, by, decibels) => {
    const before = await cases.read(join(models!, name));

    const given = REAL_MODELS[name];
    const { difference, bytesBefore, bytes } =
      by === 'int8-dynamic'
        ? await cases.apply(before, int8Dynamic, {}, given)
        : await cases.apply(before, by === 'int8-block' ? int8Block : int4Block, {}, given);
    expect(difference.sqnrDb).toBeGreaterThan(decibels);
    expect(bytes).toBeLessThan(bytesBefore);
  });
});
