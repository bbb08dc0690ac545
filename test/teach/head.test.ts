import { mkdtempSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { openForRuns } from '../../src/compress/run-model.ts';
import { PLAIN_SAMPLES, sampleInputs } from '../../src/compress/sample-inputs.ts';
import { encodeModel } from '../../src/onnx/graph.ts';
import { inspectBytes } from '../../src/onnx/inspect.ts';
import type { Graph, Model } from '../../src/onnx/proto.ts';
import { FEATURES, findHead, withFeatures, withTaughtRows } from '../../src/teach/head.ts';
import { attribute, constant, model, node, valueInfo, weights } from '../fixtures/onnx-models.ts';

const folder = mkdtempSync(join(tmpdir(), 'ledge-head-'));
afterAll(() => rm(folder, { recursive: true }));

const LABELS = 3;
const image = valueInfo('x', 'float32', ['N', 4, 5, 5]);
const flat = valueInfo('x', 'float32', ['N', 6]);
const scores = valueInfo('y', 'float32', ['N', LABELS]);
const scale = constant('scale', 'float32', { dims: [], data: Float32Array.of(0.01) });
const zero = constant('zero', 'int8', { dims: [], data: Int8Array.of(0) });

const CLASSIFIERS: Readonly<Record<string, Model>> = {
  'a Gemm': model({
    nodes: [
      node('Relu', [['x'], ['f']]),
      node('Gemm', [['f', 'w', 'b'], ['y']], { attributes: [attribute('transB', 1n)] }),
    ],
    initializers: [weights('w', [LABELS, 6]), weights('b', [LABELS])],
    inputs: [flat],
    outputs: [scores],
  }),
  'a MatMul, an Add and a Softmax': model({
    nodes: [
      node('MatMul', [['x', 'w'], ['m']]),
      node('Add', [['m', 'b'], ['a']]),
      node('Softmax', [['a'], ['y']], { attributes: [attribute('axis', 1n)] }),
    ],
    initializers: [weights('w', [6, LABELS]), weights('b', [LABELS])],
    inputs: [flat],
    outputs: [scores],
  }),
  'a convolution that is averaged': model({
    nodes: [
      node('Conv', [['x', 'w'], ['c']]),
      node('GlobalAveragePool', [['c'], ['p']]),
      node('Flatten', [['p'], ['y']]),
    ],
    initializers: [weights('w', [LABELS, 4, 1, 1])],
    inputs: [image],
    outputs: [scores],
  }),
  'scores that are also read inside': model({
    nodes: [
      node('MatMul', [['x', 'w'], ['y']]),
      node('ReduceMax', [['y'], ['most']], { attributes: [attribute('keepdims', 1n)] }),
    ],
    initializers: [weights('w', [6, LABELS])],
    inputs: [flat],
    outputs: [scores, valueInfo('most', 'float32', [1, 1])],
  }),
  'the mean of two nets': model({
    nodes: [
      node('Gemm', [['x', 'w', 'b'], ['one']], { attributes: [attribute('transB', 1n)] }),
      node('LogSoftmax', [['one'], ['one_log']], { attributes: [attribute('axis', 1n)] }),
      node('Relu', [['x'], ['f']]),
      node('MatMul', [['f', 'v'], ['two']]),
      node('LogSoftmax', [['two'], ['two_log']], { attributes: [attribute('axis', 1n)] }),
      node('Add', [['one_log', 'two_log'], ['sum']]),
      node('Div', [['sum', 'two_nets'], ['y']]),
    ],
    initializers: [
      ...[weights('w', [LABELS, 6]), weights('b', [LABELS]), weights('v', [6, LABELS])],
      constant('two_nets', 'float32', { dims: [], data: Float32Array.of(2) }),
    ],
    inputs: [flat],
    outputs: [scores],
  }),
  'a quantised Gemm': model({
    nodes: [
      node('QuantizeLinear', [['x', 'scale', 'zero'], ['q']]),
      node('DequantizeLinear', [['q', 'scale', 'zero'], ['f']]),
      node('DequantizeLinear', [['wq', 'scale', 'zero'], ['w']]),
      node('Gemm', [['f', 'w'], ['g']]),
      node('QuantizeLinear', [['g', 'scale', 'zero'], ['gq']]),
      node('DequantizeLinear', [['gq', 'scale', 'zero'], ['y']]),
    ],
    initializers: [
      scale,
      zero,
      constant('wq', 'int8', {
        dims: [6, LABELS],
        data: Int8Array.from({ length: 18 }, (_, at) => at * 7 - 60),
      }),
    ],
    inputs: [flat],
    outputs: [scores],
  }),
};
// The same with the operators' newer form, in which axes are an input.
const newer = CLASSIFIERS['a Gemm'] as Model;
const ALL = {
  ...CLASSIFIERS,
  'operator set 18': { ...newer, opsetImports: [{ unknown: [], version: 18n }] },
};

async function outputsOf(found: Model, seed: number): Promise<Record<string, number[]>> {
  const file = join(folder, 'model.onnx');
  const bytes = encodeModel(found);
  expect((await inspectBytes(bytes)).problems).toEqual([]);
  writeFileSync(file, bytes);
  const graph = found.graph as Graph;
  await using running = await openForRuns(file, graph);
  const parts = await running.run(sampleInputs(graph, { ...PLAIN_SAMPLES, seed }));
  return Object.fromEntries(
    running.outputs.map((name, at) => [name, [...(parts[at]?.data ?? [])].map(Number)]),
  );
}

const softmax = (values: readonly number[]) => {
  const raised = values.map((value) => Math.exp(value - Math.max(...values)));
  const sum = raised.reduce((total, value) => total + value, 0);
  return raised.map((value) => value / sum);
};

describe.each(Object.entries(ALL))('a classifier that ends in %s', (kind, before) => {
  const head = findHead(before, LABELS);

  test('gives its features beside the same scores', async () => {
    const old = await outputsOf(before, 1);
    const found = await outputsOf(withFeatures(before, head), 1);
    expect(Object.keys(found)).toEqual(['y', FEATURES]);
    expect(found.y).toEqual(old.y);
    expect(found[FEATURES]).toHaveLength(head.size);
  });

  test('takes further labels, and the known ones keep their proportions', async () => {
    const rows = [
      { weights: Float64Array.from({ length: head.size }, (_, at) => at - 2), bias: 0.25 },
      { weights: Float64Array.from({ length: head.size }, () => -0.5), bias: -1 },
    ];
    const features = (await outputsOf(withFeatures(before, head), 2))[FEATURES] ?? [];
    const old = (await outputsOf(before, 2)).y ?? [];
    const found = await outputsOf(withTaughtRows(before, head, rows), 2);
    const odds = rows.map(({ weights: w, bias }) =>
      Math.exp(features.reduce((sum, value, at) => sum + value * (w[at] ?? 0), bias)),
    );
    const all = 1 + odds.reduce((sum, one) => sum + one, 0);
    const probable = kind.includes('Softmax') ? old : softmax(old);
    const wanted = [...probable, ...odds].map((value) => value / all);
    const given = kind.includes('Softmax') ? (found.y ?? []) : softmax(found.y ?? []);
    expect(given).toHaveLength(LABELS + 2);
    for (const [at, value] of given.entries()) expect(value).toBeCloseTo(wanted[at] ?? 0, 5);
    if (found.most !== undefined) expect(found.most[0]).toBeCloseTo(Math.max(...old), 6);
  });
});

describe('a model that cannot be taught', () => {
  test.each([
    ['no output of so many labels', newer, 4, 'none of its outputs is float32 [N, 4]'],
    [
      'an operator that is not followed',
      model({
        nodes: [
          node('MatMul', [['x', 'w'], ['m']]),
          node('Sigmoid', [['m'], ['y']], { name: 'squash' }),
        ],
        initializers: [weights('w', [6, LABELS])],
        inputs: [flat],
        outputs: [scores],
      }),
      LABELS,
      'squash (Sigmoid) stands before its scores',
    ],
    [
      'no layer with weights',
      model({ nodes: [node('Relu', [['x'], ['y']])], inputs: [scores], outputs: [scores] }),
      LABELS,
      'nothing makes "x"',
    ],
  ])('%s is told', (_, found, labels, message) => {
    expect(() => findHead(found, labels)).toThrow(message);
  });
});
