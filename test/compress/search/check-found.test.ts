import { describe, expect, test } from 'vitest';
import type { CompressReport } from '../../../src/compress/report.ts';
import { parseBudget } from '../../../src/compress/search/budget.ts';
import { checkFound } from '../../../src/compress/search/check-found.ts';
import { missesOf } from '../../../src/compress/search/verdict.ts';
import { compareEvaluations } from '../../../src/evaluate/accuracy.ts';
import type { Evaluation } from '../../../src/evaluate/evaluation.ts';

/** Of so many events, the first were answered right. */
function evaluation(right: number, count: number): Evaluation {
  const answers = Array.from({ length: count }, (_, at) => at < right);
  return {
    source: 'data',
    metric: 'accuracy',
    value: right / count,
    metrics: {},
    right: answers,
  };
}

/** The report of a model half as large, with so many right before and after. */
function report(before: number, after: number, count: number): CompressReport {
  const probe = { loadMs: 1, loadedBytes: 1e6, residentBytes: 1e6, peakBytes: 1e6 };
  return {
    model: 'model.onnx',
    recipe: 'int8',
    passes: [],
    files: [],
    size: { before: 2e6, after: 1e6 },
    floatsLeft: { bytes: 0, largest: [] },
    load: { before: probe, after: probe },
    latency: {
      beforeMs: 2,
      afterMs: 1,
      speedup: 2,
      speedupLow: 2,
      speedupHigh: 2,
      rounds: 15,
    },
    samples: { kind: 'recorded', count: 8 },
    error: { maxError: 0.1, meanError: 0.1, maxMagnitude: 1, sqnrDb: 30, count: 8 },
    worstLayers: [],
    accuracy: compareEvaluations(evaluation(before, count), evaluation(after, count)),
  };
}

describe('checkFound', () => {
  const budget = parseBudget('accuracy>=-0.5pp,size<=1MB,latency<=0.5x,memory<=1MB,sqnr>=30dB');
  test('says nothing where all terms hold', () => {
    expect(checkFound(budget, report(180, 180, 200))).toBeUndefined();
  });
  test('doubts what an event of two hundred makes', () => {
    expect(checkFound(budget, report(180, 178, 200))).toMatch(
      /misses accuracy>=-0.5pp \(-1.00pp\) on 200 events .* \(2 lost, 0 gained\): chance can do/,
    );
  });
  test('refuses what chance does not do', () => {
    expect(() => checkFound(budget, report(180, 160, 200))).toThrow(
      /accuracy>=-0.5pp \(-10.00pp\)/,
    );
  });
  test('refuses a lost test of the flow, whatever the other events', () => {
    const tests = compareEvaluations(evaluation(13, 13), evaluation(12, 13));
    const found = { ...report(180, 180, 200), tests: { ...tests, source: 'tests' as const } };
    expect(() => checkFound(budget, found)).toThrow(/own tests \(1 lost\)/);
    expect(checkFound(parseBudget('size<=1MB'), found)).toBeUndefined();
  });
  test('refuses an absolute share that is missed by more than chance', () => {
    const absolute = parseBudget('accuracy>=95%');
    expect(checkFound(absolute, report(190, 189, 200))).toMatch(/94.5%/);
    expect(() => checkFound(absolute, report(190, 170, 200))).toThrow(/accuracy>=95% \(85.0%\)/);
  });
  test('refuses a size whatever the accuracy', () => {
    expect(() => checkFound(parseBudget('size<=999kB'), report(180, 180, 200))).toThrow(
      /misses size<=999kB \(1000000B\)/,
    );
  });
});

test('a term about accuracy is missed where none was measured', () => {
  const figures = { sizeBytes: 1, latencyRatio: 1, memoryBytes: 1, sqnrDb: 99 };
  expect(missesOf(parseBudget('accuracy>=-1pp'), figures)).toMatchObject([
    { found: 'not measured', by: Number.POSITIVE_INFINITY },
  ]);
});
