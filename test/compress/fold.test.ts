import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { fold } from '../../src/compress/passes/fold.ts';
import { share } from '../../src/compress/passes/share.ts';
import type { Model } from '../../src/onnx/proto.ts';
import {
  attribute,
  constant,
  graph,
  model,
  node,
  valueInfo,
  weights,
} from '../fixtures/onnx-models.ts';
import { createPassCase, REAL_MODELS } from '../harness/compress-case.ts';
import { sharedData } from '../harness/shared-data.ts';

const cases = createPassCase();
const x = valueInfo('x', 'float32', [1, 4]);
const y = valueInfo('y', 'float32', [1, 4]);

function int64s(name: string, values: readonly number[]) {
  const data = BigInt64Array.from(values.map(BigInt));
  return constant(name, 'int64', { dims: [values.length], data });
}

function positive(name: string, count: number) {
  const data = Float32Array.from({ length: count }, (_, at) => 0.5 + (at % 7) / 7);
  return constant(name, 'float32', { dims: [count], data });
}

function convNorm(
  operator: 'Conv' | 'ConvTranspose',
  shape: readonly number[],
  channels: number,
): Model {
  return model({
    nodes: [
      node(operator, [['x', 'w', 'b'], ['c']]),
      node('BatchNormalization', [['c', 'scale', 'shift', 'mean', 'var'], ['y']]),
    ],
    initializers: [
      weights('w', shape),
      ...['b', 'scale', 'shift', 'mean', 'var'].map((name) => positive(name, channels)),
    ],
    inputs: [valueInfo('x', 'float32', [1, 3, 8, 8])],
    outputs: [valueInfo('y', 'float32', ['N', channels, 'H', 'W'])],
  });
}

describe('fold', () => {
  test('computes a chain of constants and leaves the node that uses it', async () => {
    const to = attribute('to', 7n);
    const before = model({
      nodes: [
        node('Constant', [[], ['c']], { attributes: [attribute('value', int64s('v', [2, 2]))] }),
        node('Shape', [['w'], ['s']]),
        node('Cast', [['s'], ['s64']], { attributes: [to] }),
        node('Gather', [['s64', 'zero'], ['first']]),
        node('Mul', [['first', 'c'], ['shape']]),
        node('Reshape', [['x', 'c'], ['r']]),
        node('Add', [['r', 'shape2'], ['z']]),
        node('Cast', [['shape'], ['shape2']], { attributes: [attribute('to', 1n)] }),
        node('Reshape', [['z', 'back'], ['y']]),
      ],
      initializers: [weights('w', [3, 5]), int64s('zero', [0]), int64s('back', [1, 4])],
      inputs: [x],
      outputs: [y],
    });
    const { operators, difference, report } = await cases.apply(before, fold);
    expect(operators).toEqual({ Reshape: 2, Add: 1 });
    expect(difference.maxError).toBe(0);
    expect(report.done).toMatchObject({
      'constant computed': 5,
      'constant made an initialiser': 1,
    });
  });

  test('passes by identities and switched-off dropouts, and keeps the names of outputs', async () => {
    const before = model({
      nodes: [
        node('Identity', [['x'], ['a']]),
        node('Identity', [['a'], ['b']]),
        node('Dropout', [['b'], ['c', 'mask']]),
        node('Relu', [['c'], ['d']]),
        node('Identity', [['d'], ['e']]),
        node('Identity', [['e'], ['y']]),
        node('Neg', [['a'], ['unused']]),
      ],
      inputs: [x],
      outputs: [y],
    });
    const { operators, difference, model: after } = await cases.apply(before, fold);
    expect(operators).toEqual({ Relu: 1 });
    expect(after.graph?.nodes[0]).toMatchObject({ inputs: ['x'], outputs: ['y'] });
    expect(difference.maxError).toBe(0);
  });

  test('leaves an identity between an input and an output, and one that trains', async () => {
    const training = constant('on', 'bool', { dims: [], data: Uint8Array.of(1) });
    const ratio = constant('ratio', 'float32', { dims: [], data: Float32Array.of(0) });
    const before = model({
      nodes: [node('Identity', [['x'], ['y']]), node('Dropout', [['x', 'ratio', 'on'], ['z']])],
      initializers: [ratio, training],
      inputs: [x],
      outputs: [y, valueInfo('z', 'float32', [1, 4])],
    });
    const { operators } = await cases.apply(before, fold);
    expect(operators).toEqual({ Identity: 1, Dropout: 1 });
  });

  test('reaches into subgraphs, and keeps what only they read', async () => {
    const branch = (name: string, operator: string) =>
      graph({
        nodes: [node('Identity', [['h'], [`${name}i`]]), node(operator, [[`${name}i`], [name]])],
        outputs: [valueInfo(name, 'float32', [1, 4])],
      });
    const before = model({
      nodes: [
        node('Abs', [['x'], ['g']]),
        node('Identity', [['g'], ['h']]),
        node('If', [['c'], ['y']], {
          attributes: [
            attribute('then_branch', branch('t', 'Neg')),
            attribute('else_branch', branch('e', 'Relu')),
          ],
        }),
      ],
      inputs: [x, valueInfo('c', 'bool', [])],
      outputs: [y],
    });
    const { operators, difference } = await cases.apply(before, fold);
    expect(operators).toEqual({ Abs: 1, If: 1, Neg: 1, Relu: 1 });
    expect(difference.maxError).toBe(0);
  });

  test.each([
    ['Conv', [6, 3, 3, 3]],
    ['ConvTranspose', [3, 6, 3, 3]],
  ] as const)('puts batch normalisation into %s', async (operator, shape) => {
    const { operators, difference } = await cases.apply(convNorm(operator, shape, 6), fold);
    expect(operators).toEqual({ [operator]: 1 });
    expect(difference.maxError).toBeLessThan(1e-5 * difference.maxMagnitude);
  });

  test.each([0n, 1n])('puts batch normalisation into Gemm with transB %s', async (transB) => {
    const before = model({
      nodes: [
        node('Gemm', [['x', 'w', 'b'], ['c']], { attributes: [attribute('transB', transB)] }),
        node('BatchNormalization', [['c', 'b', 'b', 'b', 'b'], ['y']]),
      ],
      initializers: [weights('w', transB === 1n ? [6, 4] : [4, 6]), positive('b', 6)],
      inputs: [x],
      outputs: [valueInfo('y', 'float32', [1, 6])],
    });
    const { operators, difference } = await cases.apply(before, fold);
    expect(operators).toEqual({ Gemm: 1 });
    expect(difference.maxError).toBeLessThan(1e-5 * difference.maxMagnitude);
  });

  test('leaves batch normalisation whose input something else reads, and says so', async () => {
    const before = convNorm('Conv', [6, 3, 3, 3], 6);
    const outputs = [...before.graph!.outputs, valueInfo('c', 'float32', ['N', 6, 'H', 'W'])];
    const { operators, report } = await cases.apply(
      { ...before, graph: { ...before.graph!, outputs } },
      fold,
    );
    expect(operators).toEqual({ Conv: 1, BatchNormalization: 1 });
    expect(report.left).toHaveLength(1);
  });

  test('takes away pairs of transpositions, through what does not care for axes', async () => {
    const toLast = { attributes: [attribute('perm', [0n, 2n, 3n, 1n])] };
    const toFirst = { attributes: [attribute('perm', [0n, 3n, 1n, 2n])] };
    const before = model({
      nodes: [
        node('Transpose', [['x'], ['a']], toFirst),
        node('Conv', [['a', 'w'], ['b']]),
        node('Transpose', [['b'], ['c']], toLast),
        node('Relu', [['c'], ['d']]),
        node('Transpose', [['d'], ['e']], toFirst),
        node('Conv', [['e', 'v'], ['f']]),
        node('Transpose', [['f'], ['g']], toLast),
        node('Add', [['d', 'g'], ['h']]),
        node('Transpose', [['h'], ['i']], toFirst),
        node('Conv', [['i', 'v'], ['j']]),
        node('Transpose', [['j'], ['y']], toLast),
      ],
      initializers: [weights('w', [4, 3, 1, 1]), weights('v', [4, 4, 1, 1])],
      inputs: [valueInfo('x', 'float32', [1, 5, 6, 3])],
      outputs: [valueInfo('y', 'float32', [1, 5, 6, 4])],
    });
    const { operators, difference } = await cases.apply(before, fold);
    expect(operators).toEqual({ Transpose: 2, Conv: 3, Relu: 1, Add: 1 });
    expect(difference.maxError).toBeLessThan(1e-6);
  });

  test('changes nothing where there is nothing to fold', async () => {
    const before = model({ nodes: [node('Relu', [['x'], ['y']])], inputs: [x], outputs: [y] });
    const { model: after, report } = await cases.apply(before, fold);
    expect(after).toBe(before);
    expect(report).toMatchObject({ done: {}, left: [] });
  });
});

describe('share', () => {
  test('keeps one of identical constants and not those that differ in shape', async () => {
    const before = model({
      nodes: [
        node('MatMul', [['x', 'a'], ['p']]),
        node('MatMul', [['p', 'b'], ['q']]),
        node('Reshape', [['c', 'shape'], ['r']]),
        node('MatMul', [['q', 'r'], ['y']]),
      ],
      initializers: [
        weights('a', [4, 4]),
        weights('b', [4, 4]),
        weights('c', [16]),
        int64s('shape', [4, 4]),
      ],
      inputs: [x],
      outputs: [y],
    });
    const { model: after, difference, report } = await cases.apply(before, share);
    expect(after.graph?.initializers.map(({ name }) => name)).toEqual(['a', 'c', 'shape']);
    expect(difference.maxError).toBe(0);
    expect(report.done).toEqual({ 'identical constant removed': 1, 'byte saved': 64 });
  });
});

const models = sharedData('models');

describe.skipIf(models === undefined)('on real models (../shared/data/models)', () => {
  test.each(Object.entries(REAL_MODELS))(
    'fold and share keep the outputs of %s',
    async (name, options) => {
      const before = await cases.read(join(models!, name));
      const folded = await cases.apply(before, fold, {}, options);
      const shared = await cases.apply(folded.model, share, {}, options);
      const half = name.includes('fp16');
      const bound = half ? 1e-2 : 2e-5;
      expect(folded.difference.maxError).toBeLessThanOrEqual(
        bound * Math.max(1, folded.difference.maxMagnitude),
      );
      expect(shared.difference.maxError).toBe(0);
    },
  );
});
