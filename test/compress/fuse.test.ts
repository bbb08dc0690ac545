import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { fold } from '../../src/compress/passes/fold.ts';
import { fuse } from '../../src/compress/passes/fuse.ts';
import type { Model, Node } from '../../src/onnx/proto.ts';
import { attribute, constant, model, node, valueInfo, weights } from '../fixtures/onnx-models.ts';
import { createPassCase, REAL_MODELS } from '../harness/compress-case.ts';
import { sharedData } from '../harness/shared-data.ts';

const cases = createPassCase();
const EQUAL = 1e-4;

function number(name: string, value: number) {
  return constant(name, 'float32', { dims: [], data: Float32Array.of(value) });
}

const constants = [
  number('half', 0.5),
  number('one', 1),
  number('two', 2),
  number('three', 3),
  number('sqrt2', Math.SQRT2),
  number('isqrt2', Math.SQRT1_2),
  number('tanhFactor', Math.sqrt(2 / Math.PI)),
  number('cubeFactor', 0.044715),
  number('epsilon', 1e-5),
  weights('scale', [8]),
  weights('shift', [8]),
];

function built(nodes: readonly Node[], outputs: readonly string[] = ['y']): Model {
  return model({
    nodes,
    initializers: constants,
    inputs: [valueInfo('x', 'float32', ['N', 3, 8]), valueInfo('s', 'float32', ['N', 3, 8])],
    outputs: outputs.map((name) => valueInfo(name, 'float32', ['N', 3, 8])),
  });
}

const ERF = [
  node('Div', [['h', 'sqrt2'], ['e0']]),
  node('Erf', [['e0'], ['e1']]),
  node('Add', [['e1', 'one'], ['e2']]),
];
const TANH = [
  node('Pow', [['h', 'three'], ['t0']]),
  node('Mul', [['cubeFactor', 't0'], ['t1']]),
  node('Add', [['h', 't1'], ['t2']]),
  node('Mul', [['t2', 'tanhFactor'], ['t3']]),
  node('Tanh', [['t3'], ['t4']]),
  node('Add', [['one', 't4'], ['e2']]),
];
const CUBE_BY_HAND = [
  node('Mul', [['h', 'h'], ['hh']]),
  node('Mul', [['hh', 'h'], ['t0']]),
  ...TANH.slice(1),
];
const HALF_FIRST = [node('Mul', [['h', 'half'], ['p']]), node('Mul', [['p', 'e2'], ['y']])];
const HALF_LAST = [node('Mul', [['h', 'e2'], ['p']]), node('Mul', [['p', 'half'], ['y']])];
const HALF_BETWEEN = [node('Mul', [['half', 'e2'], ['p']]), node('Mul', [['h', 'p'], ['y']])];
const MAKE = node('Add', [['x', 's'], ['h']]);

function layerNorm(from: string, to: string, squares: 'Pow' | 'Mul' = 'Pow'): Node[] {
  const attributes = [attribute('axes', [-1n])];
  const n = (name: string) => `${to}_${name}`;
  return [
    node('ReduceMean', [[from], [n('mean')]], { attributes }),
    node('Sub', [[from, n('mean')], [n('centred')]]),
    squares === 'Pow'
      ? node('Pow', [[n('centred'), 'two'], [n('square')]])
      : node('Mul', [[n('centred'), n('centred')], [n('square')]]),
    node('ReduceMean', [[n('square')], [n('variance')]], { attributes }),
    node('Add', [[n('variance'), 'epsilon'], [n('plus')]]),
    node('Sqrt', [[n('plus')], [n('deviation')]]),
    node('Div', [[n('centred'), n('deviation')], [n('normal')]]),
    node('Mul', [[n('normal'), 'scale'], [n('scaled')]]),
    node('Add', [[n('scaled'), 'shift'], [to]]),
  ];
}

describe('fuse', () => {
  test.each([
    ['erf, half first', [...ERF, ...HALF_FIRST], 'com.microsoft.Gelu'],
    ['erf, half last', [...ERF, ...HALF_LAST], 'com.microsoft.Gelu'],
    ['erf, half between', [...ERF, ...HALF_BETWEEN], 'com.microsoft.Gelu'],
    [
      'erf by a product',
      [node('Mul', [['isqrt2', 'h'], ['e0']]), ...ERF.slice(1), ...HALF_LAST],
      'com.microsoft.Gelu',
    ],
    ['tanh with a power', [...TANH, ...HALF_FIRST], 'com.microsoft.FastGelu'],
    ['tanh with products', [...CUBE_BY_HAND, ...HALF_BETWEEN], 'com.microsoft.FastGelu'],
  ] as const)('finds GELU by %s', async (_, nodes, operator) => {
    const { operators, difference } = await cases.apply(built([MAKE, ...nodes]), fuse);
    expect(operators).toEqual({ Add: 1, [operator]: 1 });
    expect(difference.maxError).toBeLessThan(EQUAL);
  });

  test('leaves a formula with another number, and one whose parts are read elsewhere', async () => {
    const wrong = ERF.map((one) => ({
      ...one,
      inputs: one.inputs.map((name) => (name === 'sqrt2' ? 'two' : name)),
    }));
    const other = await cases.apply(built([MAKE, ...wrong, ...HALF_LAST]), fuse);
    expect(other.operators).toMatchObject({ Erf: 1 });
    const read = await cases.apply(built([MAKE, ...ERF, ...HALF_LAST], ['y', 'e1']), fuse);
    expect(read.operators).toMatchObject({ Erf: 1 });
    expect(read.difference.maxError).toBe(0);
  });

  test('puts a bias into GELU of both kinds', async () => {
    const biased = node('Add', [['x', 'shift'], ['h']]);
    const byErf = await cases.apply(built([biased, ...ERF, ...HALF_LAST]), fuse);
    expect(byErf.operators).toEqual({ 'com.microsoft.BiasGelu': 1 });
    expect(byErf.difference.maxError).toBeLessThan(EQUAL);
    const byTanh = await cases.apply(built([biased, ...TANH, ...HALF_LAST]), fuse);
    expect(byTanh.operators).toEqual({ 'com.microsoft.FastGelu': 1 });
    expect(byTanh.difference.maxError).toBeLessThan(EQUAL);
  });

  test.each(['Pow', 'Mul'] as const)('finds LayerNorm with squares by %s', async (squares) => {
    const { operators, difference } = await cases.apply(built(layerNorm('x', 'y', squares)), fuse);
    expect(operators).toEqual({ LayerNormalization: 1 });
    expect(difference.maxError).toBeLessThan(EQUAL);
  });

  test('leaves LayerNorm over another axis', async () => {
    const nodes = layerNorm('x', 'y').map((one) =>
      one.operator === 'ReduceMean' ? { ...one, attributes: [attribute('axes', [1n])] } : one,
    );
    const { operators } = await cases.apply(built(nodes), fuse);
    expect(operators).toMatchObject({ ReduceMean: 2 });
  });

  test('puts the sums of residuals behind each other into LayerNorm', async () => {
    const nodes = [
      MAKE,
      ...layerNorm('h', 'n'),
      node('Add', [['h', 'n'], ['k']]),
      ...layerNorm('k', 'y'),
    ];
    const { operators, difference } = await cases.apply(built(nodes), fuse);
    expect(operators).toEqual({ 'com.microsoft.SkipLayerNormalization': 2 });
    expect(difference.maxError).toBeLessThan(EQUAL);
  });

  test('puts a residual sum into LayerNorm and still gives the sum to its other readers', async () => {
    const nodes = [MAKE, ...layerNorm('h', 'n'), node('Mul', [['n', 'h'], ['y']])];
    const { operators, difference } = await cases.apply(built(nodes), fuse);
    expect(operators).toEqual({ 'com.microsoft.SkipLayerNormalization': 1, Mul: 1 });
    expect(difference.maxError).toBeLessThan(EQUAL);
  });

  test('leaves a sum that is spread over rows', async () => {
    const before = built([MAKE, ...layerNorm('h', 'y')]);
    const inputs = [before.graph!.inputs[0]!, valueInfo('s', 'float32', [1, 1, 8])];
    const { operators } = await cases.apply(
      { ...before, graph: { ...before.graph!, inputs } },
      fuse,
    );
    expect(operators).toEqual({ Add: 1, LayerNormalization: 1 });
  });
});

const models = sharedData('models');

describe.skipIf(models === undefined)('on real models (../shared/data/models)', () => {
  test.each(Object.entries(REAL_MODELS))('fuse keeps the outputs of %s', async (name, options) => {
    const folded = await cases.apply(await cases.read(join(models!, name)), fold, {}, options);
    const { difference } = await cases.apply(folded.model, fuse, {}, options);
    expect(difference.maxError).toBeLessThan(EQUAL * Math.max(1, difference.maxMagnitude));
  });
});
