import { describe, expect, test } from 'vitest';
import { boardProblem, boardReport, refuseForBoard } from '../../src/compress/board-limits.ts';
import { loadBoard } from '../../src/devices/board.ts';

const MEGABYTE = 1_000_000;
const limits = {
  name: 'board',
  title: 'Board',
  architecture: 'arm64',
  memoryBudgetBytes: 100 * MEGABYTE,
  workers: 3,
  providers: ['cpu'],
  precision: ['int8', 'fp32'],
};
const passes = (pass: string) => [{ pass, done: { something: 1 }, left: [] }];
const measured = {
  weightBytes: 20 * MEGABYTE,
  residentBytes: 30 * MEGABYTE,
  peakBytes: 40 * MEGABYTE,
  passes: passes('int8-static'),
};

describe('boardReport', () => {
  test('counts a small model on every worker, its peak once', () => {
    expect(boardReport(limits, measured)).toMatchObject({
      copies: 3,
      needsBytes: 100 * MEGABYTE,
      formats: ['int8'],
    });
  });
  test('counts a large model once, at least by its weights', () => {
    const large = { ...measured, weightBytes: 50 * MEGABYTE };
    expect(boardReport(limits, large)).toMatchObject({ copies: 1, needsBytes: 50 * MEGABYTE });
  });
});

describe('boardProblem', () => {
  test('is none at the limit, and told with figures above it', () => {
    expect(boardProblem(boardReport(limits, measured))).toBeUndefined();
    const more = boardReport(limits, { ...measured, peakBytes: 41 * MEGABYTE });
    expect(boardProblem(more)).toMatch(/3 copies need 101\.0 MB .* 100\.0 MB/);
    expect(() => refuseForBoard(more)).toThrow(
      expect.objectContaining({ code: 'memory-exceeded' }),
    );
  });
  test.each([
    ['fp16', 'fp16'],
    ['int4-block', 'int4'],
  ])('names a precision that the board has not: %s', (pass, format) => {
    const report = boardReport(limits, { ...measured, passes: passes(pass) });
    expect(boardProblem(report)).toContain(`${format} is not one of the precisions`);
  });
  test('takes a pass that did nothing for fp32', () => {
    const idle = [{ pass: 'int4-block', done: {}, left: [] }];
    expect(boardProblem(boardReport(limits, { ...measured, passes: idle }))).toBeUndefined();
  });
  test('takes the boards of the package as they are', async () => {
    const board = await loadBoard('raspberry-pi-4', { totalMemoryBytes: 2 ** 40, cores: 64 });
    expect(boardReport(board, measured)).toMatchObject({ copies: 3, name: 'raspberry-pi-4' });
  });
});
