import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { fold } from '../../src/compress/passes/fold.ts';
import { fp16 } from '../../src/compress/passes/fp16.ts';
import { constant, model, node, valueInfo, weights } from '../fixtures/onnx-models.ts';
import { createPassCase, REAL_MODELS } from '../harness/compress-case.ts';
import { sharedData } from '../harness/shared-data.ts';

const cases = createPassCase();
const large = constant('large', 'float32', { dims: [1], data: Float32Array.of(100_000) });
const fixture = model({
  nodes: [
    node('MatMul', [['x', 'w'], ['h']]),
    node('Relu', [['h'], ['r']]),
    node('Softmax', [['r'], ['s']]),
    node('Mul', [['s', 'large'], ['m']]),
    node('MatMul', [['m', 'v'], ['y']], { name: 'head' }),
  ],
  initializers: [weights('w', [16, 32]), weights('v', [32, 8]), large],
  inputs: [valueInfo('x', 'float32', ['N', 16])],
  outputs: [valueInfo('y', 'float32', ['N', 8]), valueInfo('r', 'float32', ['N', 32])],
});

describe('fp16', () => {
  test('stores weights in half of the bytes and computes as before', async () => {
    const { operators, difference, bytes, bytesBefore } = await cases.apply(fixture, fp16);
    expect(operators).toMatchObject({ MatMul: 2, Cast: 2 });
    expect(difference.sqnrDb).toBeGreaterThan(60);
    expect(bytes).toBeLessThan(0.75 * bytesBefore);
  });

  test('computes in float16 but for what could overflow, and keeps inputs and outputs', async () => {
    const {
      operators,
      report,
      difference,
      model: after,
    } = await cases.apply(fixture, fp16, {
      compute: true,
      keep: ['head'],
    });
    expect(report.done).toMatchObject({ 'MatMul in float16': 1, 'Relu in float16': 1 });
    expect(
      Object.keys(report.done).some((key) => /Softmax|Mul /.test(key) && !/MatMul/.test(key)),
    ).toBe(false);
    expect(operators).toMatchObject({ Softmax: 1, Mul: 1 });
    expect(after.graph?.outputs).toEqual(fixture.graph?.outputs);
    expect(difference.sqnrDb).toBeGreaterThan(50);
  });

  test('leaves a constant that float16 cannot hold, and says so', async () => {
    const { report } = await cases.apply(fixture, fp16, { elementsMin: 1 });
    expect(report.left).toEqual([{ where: 'large', reason: 'it has numbers over 65504' }]);
  });
});

const models = sharedData('models');

describe.skipIf(models === undefined)('on real models (../shared/data/models)', () => {
  test.each(
    Object.entries(REAL_MODELS).flatMap(([name, given]) => [
      { name, given, compute: false },
      { name, given, compute: true },
    ]),
  )('$name with compute $compute keeps its outputs', async ({ name, given, compute }) => {
    const folded = await cases.apply(await cases.read(join(models!, name)), fold, {}, given);
    const { difference } = await cases.apply(folded.model, fp16, { compute }, given);
    expect(difference.sqnrDb).toBeGreaterThan(30);
  });
});
