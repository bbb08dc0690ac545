import { describe, expect, test } from 'vitest';
import { keyOf } from '../../../src/compress/profile/executed-nodes.ts';
import { spreadOf, timeRuns } from '../../../src/compress/profile/timing.ts';
import type { TraceCall, TraceRun } from '../../../src/compress/profile/trace.ts';

function call(name: string, [startUs, tookUs]: [number, number], inner: TraceCall[] = []) {
  const told = { inputs: [], outputs: [], arenaBytes: 0, inUseBytes: 0 };
  return { name, operator: 'Neg', index: '', startUs, tookUs, inner, ...told };
}

const NO_OVERHEAD = { insideUs: 0, wholeUs: 0 };

describe('times of nodes', () => {
  test('are the middle of all runs, whatever a few of them took', () => {
    const runs = [100, 101, 99, 5000, 100].map((took): TraceRun => {
      return { startUs: 0, tookUs: took + 10, calls: [call('a', [4, took])] };
    });
    const { nodes, betweenMs } = timeRuns(runs, NO_OVERHEAD);
    const found = nodes.get(keyOf(call('a', [0, 0]), ''));
    expect(found?.ms).toBeCloseTo(0.1, 2);
    expect(found?.highMs).toBe(5);
    expect(betweenMs).toBeCloseTo(0.01, 6);
  });

  test('lose what tracing costs: inside the node, and between nodes', () => {
    const calls = [call('a', [3, 12]), call('b', [18, 22])];
    const runs: TraceRun[] = Array.from({ length: 9 }, () => ({ startUs: 0, tookUs: 44, calls }));
    const { nodes, betweenMs } = timeRuns(runs, { insideUs: 2, wholeUs: 5 });
    const times = [...nodes.values()].map(({ ms }) => ms);
    expect(times[0]).toBeCloseTo(0.01, 3);
    expect(times[1]).toBeCloseTo(0.02, 3);
    // Gaps of 3, 3 and 4, less 3 for each of two calls.
    expect(betweenMs).toBeCloseTo(0.004, 6);
  });

  test('of a node with others inside are its own alone, and turns of a loop are one node', () => {
    const turns = [call('body', [2, 10]), call('body', [14, 10])];
    const runs = [{ startUs: 0, tookUs: 31, calls: [call('loop', [0, 30], turns)] }];
    const { nodes } = timeRuns(runs, NO_OVERHEAD);
    const loop = keyOf(call('loop', [0, 0]), '');
    expect(nodes.get(loop)?.ms).toBeCloseTo(0.01, 2);
    expect(nodes.get(keyOf(call('body', [0, 0]), loop))).toMatchObject({ calls: 2 });
  });

  test('lie within a step of the clock by how many runs are on each side', () => {
    const tookUs = [1, 1, 2, 2, 2, 2, 2, 2, 3, 3];
    const runs = tookUs.map((took) => ({ startUs: 0, tookUs: 9, calls: [call('a', [0, took])] }));
    const [node] = timeRuns(runs, NO_OVERHEAD).nodes.values();
    expect(node?.ms).toBeCloseTo(0.002, 6);
  });
});

test('a spread has its middle and what eight in ten lie between', () => {
  const values = Array.from({ length: 100 }, (_, at) => at);
  expect(spreadOf(values)).toEqual({ ms: 50, lowMs: 10, highMs: 90 });
});
