import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Calibration, createHistogram, widen } from '../../src/compress/histogram.ts';
import { fold } from '../../src/compress/passes/fold.ts';
import { int8Static } from '../../src/compress/passes/int8-static.ts';
import { randomOf } from '../../src/compress/sample-inputs.ts';
import { attribute, model, node, valueInfo, weights } from '../fixtures/onnx-models.ts';
import { createPassCase, REAL_MODELS } from '../harness/compress-case.ts';
import { sharedData } from '../harness/shared-data.ts';

const cases = createPassCase();

const pads = { attributes: [attribute('pads', [1n, 1n, 1n, 1n])] };
/** Two convolutions with a residual, pooling and a classifier. */
const net = model({
  nodes: [
    node('Conv', [['x', 'w1', 'b1'], ['c1']], { ...pads, name: 'first' }),
    node('Relu', [['c1'], ['r1']]),
    node('Conv', [['r1', 'w2'], ['c2']], { ...pads, name: 'second' }),
    node('Add', [['c2', 'r1'], ['s']], { name: 'sum' }),
    node('GlobalAveragePool', [['s'], ['p']]),
    node('Flatten', [['p'], ['f']]),
    node('Gemm', [['f', 'w3', 'b3'], ['y']], { name: 'head' }),
  ],
  initializers: [
    weights('w1', [8, 3, 3, 3]),
    weights('b1', [8]),
    weights('w2', [8, 8, 3, 3]),
    weights('w3', [8, 5]),
    weights('b3', [5]),
  ],
  inputs: [valueInfo('x', 'float32', [1, 3, 12, 12])],
  outputs: [valueInfo('y', 'float32', [1, 5])],
});

describe('a histogram', () => {
  const random = randomOf(3);
  // Nearly normal numbers, and one far away.
  const values = Float32Array.from({ length: 20_000 }, () => random() + random() + random() - 1.5);
  values[7] = 40;

  function rangeBy(method: Calibration) {
    const whole = widen(undefined, values);
    const histogram = createHistogram(whole);
    histogram.add(values);
    return histogram.range(method, 99.9);
  }

  function errorOf({ min, max }: { min: number; max: number }) {
    const scale = (max - min) / 255;
    const zero = Math.round(-min / scale);
    return values.reduce((sum, value) => {
      const level = Math.max(0, Math.min(255, Math.round(value / scale) + zero));
      return sum + ((level - zero) * scale - value) ** 2;
    }, 0);
  }

  test('gives the whole range by min-max, with 0 in it', () => {
    expect(rangeBy('min-max').max).toBe(40);
    expect(widen(undefined, [3, 4])).toEqual({ min: 0, max: 4 });
  });

  test.each([
    ['percentile', 5],
    ['entropy', 40],
  ] as const)('cuts the number far away by %s to less than %s', (method, most) => {
    expect(rangeBy(method).max).toBeLessThan(most);
    expect(rangeBy(method).min).toBeLessThan(0);
  });

  test('has no more squared error by mse than by min-max', () => {
    expect(errorOf(rangeBy('mse'))).toBeLessThanOrEqual(errorOf(rangeBy('min-max')));
  });
});

describe('int8-static', () => {
  test.each([17n, 11n, 8n])('quantises layers and what is between at opset %s', async (version) => {
    const before = { ...net, opsetImports: [{ unknown: [], version }] };
    const { difference, report, bytes, bytesBefore } = await cases.apply(before, int8Static);
    expect(report.done).toEqual({
      'Conv in 8 bits': 2,
      'Add in 8 bits': 1,
      'GlobalAveragePool in 8 bits': 1,
      'Flatten in 8 bits': 1,
      'Gemm in 8 bits': 1,
    });
    expect(difference.sqnrDb).toBeGreaterThan(25);
    expect(bytesBefore).toBeGreaterThan(0);
    expect(bytes).toBeGreaterThan(0);
  });

  test.each(['min-max', 'percentile', 'entropy', 'mse'])(
    'calibrates by %s',
    async (calibration) => {
      const { difference } = await cases.apply(net, int8Static, { calibration });
      expect(difference.sqnrDb).toBeGreaterThan(18);
    },
  );

  test('leaves the most sensitive layers until the budget is met, and excluded ones', async () => {
    const plain = await cases.apply(net, int8Static, { exclude: ['head'] });
    expect(plain.report.left).toEqual([{ where: 'head', reason: 'excluded by the recipe' }]);
    const sqnrDbMin = plain.difference.sqnrDb + 3;
    const strict = await cases.apply(net, int8Static, { sqnrDbMin });
    expect(strict.report.left.length).toBeGreaterThan(0);
    expect(strict.report.left[0]?.reason).toMatch(/sensitive: alone it gives \d/);
    const none = await cases.apply(net, int8Static, { sqnrDbMin: 500 });
    expect(none.model).toBe(net);
  });
});

const models = sharedData('models');
const nets: readonly (readonly [string, number])[] = [
  ['mlperf-tiny/kws_ref.onnx', 15],
  ['mlperf-tiny/ic_resnet8.onnx', 10],
  ['mlperf-tiny/vww_96.onnx', 5],
  ['mlperf-tiny/ad01_toycar.onnx', 15],
  ['ultraface/version-RFB-320.onnx', 15],
  ['openwakeword/embedding_model.onnx', 5],
];

describe.skipIf(models === undefined)('on real models (../shared/data/models)', () => {
  test.each(nets)('%s keeps its outputs within %s dB on made samples', async (name, decibels) => {
    const given = REAL_MODELS[name];
    const folded = await cases.apply(await cases.read(join(models!, name)), fold, {}, given);
    const { difference, bytes, bytesBefore, report } = await cases.apply(
      folded.model,
      int8Static,
      {},
      given,
    );
    console.info(
      name,
      bytesBefore,
      bytes,
      difference.sqnrDb,
      difference.maxError,
      JSON.stringify(report),
    );
    expect(difference.sqnrDb).toBeGreaterThan(decibels);
    expect(bytes).toBeLessThan(bytesBefore / 2);
  });
});
