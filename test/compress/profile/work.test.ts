import { describe, expect, test } from 'vitest';
import type { KnownTensor } from '../../../src/compress/profile/tensors.ts';
import { workOf } from '../../../src/compress/profile/work.ts';
import { type AttributeValue, createNode } from '../../../src/onnx/build.ts';

/** A float32 tensor; weights are marked by a W before their sizes. */
function tensor(text: string): KnownTensor | undefined {
  if (text === '') return undefined;
  const shape = text.replace('W', '').split('x').map(Number);
  const bytes = 4 * shape.reduce((product, size) => product * size, 1);
  return { shape, bytes, kind: text.startsWith('W') ? 'weight' : 'activation' };
}

interface Given {
  readonly operator: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
  readonly domain?: string;
}

function work({ operator, inputs, outputs, attributes = {}, domain }: Given) {
  const names = { operator, inputs: [], outputs: [], attributes };
  return workOf({
    operator,
    node: createNode({ ...names, ...(domain && { domain }) }),
    inputs: inputs.map(tensor),
    outputs: outputs.map(tensor),
  });
}

describe('operations, as counted by hand', () => {
  test.each<[string, Given, number]>([
    // 16 filters of 3 x 5 x 5 over 10 x 10 places.
    [
      'a convolution',
      { operator: 'Conv', inputs: ['1x3x10x10', 'W16x3x5x5'], outputs: ['1x16x10x10'] },
      2 * 1600 * 75,
    ],
    [
      'a depthwise convolution',
      { operator: 'FusedConv', inputs: ['1x8x6x6', 'W8x1x3x3'], outputs: ['1x8x6x6'] },
      2 * 288 * 9,
    ],
    [
      'a quantised convolution, whose weights come fourth',
      {
        operator: 'QLinearConv',
        inputs: ['1x3x8x8', '', '', 'W4x3x3x3'],
        outputs: ['1x4x8x8'],
      },
      2 * 256 * 27,
    ],
    [
      'a transposed convolution',
      { operator: 'ConvTranspose', inputs: ['1x4x5x5', 'W4x2x2x2'], outputs: ['1x2x10x10'] },
      2 * 100 * 8,
    ],
    [
      'a product',
      { operator: 'MatMul', inputs: ['2x7x768', 'W768x3072'], outputs: ['2x7x3072'] },
      2 * 14 * 768 * 3072,
    ],
    [
      'a product of a transposed first factor',
      {
        operator: 'Gemm',
        inputs: ['64x5', 'W64x12', 'W12'],
        outputs: ['5x12'],
        attributes: { transA: 1n },
      },
      2 * 60 * 64,
    ],
    [
      'a product of blocks',
      {
        operator: 'MatMulNBits',
        inputs: ['1x256', 'W96x8x16'],
        outputs: ['1x96'],
        attributes: { K: 256n, N: 96n },
      },
      2 * 96 * 256,
    ],
    [
      'an LSTM, two directions',
      {
        operator: 'LSTM',
        inputs: ['10x1x40', 'W2x128x40', 'W2x128x32'],
        outputs: ['10x2x1x32'],
        attributes: { hidden_size: 32n },
      },
      2 * 10 * 2 * 128 * (40 + 32),
    ],
    [
      'a GRU',
      {
        operator: 'GRU',
        inputs: ['5x2x8', 'W1x48x8', 'W1x48x16'],
        outputs: ['5x1x2x16'],
        attributes: { hidden_size: 16n },
      },
      2 * 5 * 2 * 48 * (8 + 16),
    ],
    [
      'attention with its products, three tokens after seven',
      {
        operator: 'Attention',
        domain: 'com.microsoft',
        inputs: ['1x3x32', 'W32x96', 'W96', '', '2x1x4x7x8'],
        outputs: ['1x3x32', '2x1x4x10x8'],
      },
      2 * 3 * 32 * 96 + 4 * 3 * 10 * 32,
    ],
    [
      'attention of queries, keys and values',
      {
        operator: 'MultiHeadAttention',
        domain: 'com.microsoft',
        inputs: ['1x6x32', '1x9x32', '1x9x32'],
        outputs: ['1x6x32'],
      },
      4 * 6 * 9 * 32,
    ],
    ['a softmax', { operator: 'Softmax', inputs: ['4x10'], outputs: ['4x10'] }, 5 * 40],
    [
      'a layer norm',
      { operator: 'LayerNormalization', inputs: ['2x16', 'W16', 'W16'], outputs: ['2x16'] },
      7 * 32,
    ],
    ['a sum', { operator: 'Add', inputs: ['2x16', 'W16'], outputs: ['2x16'] }, 32],
    [
      'pooling',
      {
        operator: 'MaxPool',
        inputs: ['1x2x8x8'],
        outputs: ['1x2x4x4'],
        attributes: { kernel_shape: [2n, 2n] },
      },
      32 * 4,
    ],
    ['a mean', { operator: 'ReduceMean', inputs: ['3x20'], outputs: ['3x1'] }, 60],
    ['a transpose', { operator: 'Transpose', inputs: ['3x20'], outputs: ['20x3'] }, 0],
  ])('of %s', (_, given, operations) => {
    expect(work(given).operations).toBe(operations);
  });
});

describe('bytes', () => {
  test('are what is read and written, weights apart', () => {
    const product = { operator: 'MatMul', inputs: ['1x8', 'W8x4'], outputs: ['1x4'] };
    expect(work(product)).toMatchObject({ bytes: 4 * (8 + 32 + 4), weightBytes: 128 });
  });

  test('of a look-up are those of the rows, not of the table', () => {
    const found = work({ operator: 'Gather', inputs: ['W5000x16', '3'], outputs: ['3x16'] });
    expect(found.bytes).toBe(4 * (48 + 3 + 48));
  });

  test('of another shape for the same numbers are none', () => {
    expect(work({ operator: 'Reshape', inputs: ['2x8', '1'], outputs: ['16'] }).bytes).toBe(0);
  });

  test.each([
    ['QLinearMatMul', true],
    ['MatMul', false],
  ])('%s multiplies 8-bit numbers: %s', (operator, inBytes) => {
    expect(work({ operator, inputs: ['1x1'], outputs: ['1x1'] }).inBytes).toBe(inBytes);
  });
});
