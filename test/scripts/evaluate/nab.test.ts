import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { parseNab, readNab } from '../../../scripts/evaluate/nab-data.ts';
import { evaluateNab } from '../../../scripts/evaluate/nab-evaluate.ts';
import {
  bestThreshold,
  probationRows,
  scaledSigmoid,
  scoreAtThreshold,
} from '../../../scripts/evaluate/nab-score.ts';
import { configOf } from '../../../src/cli/node-options.ts';
import { packagePath } from '../../../src/std/package.ts';

type Window = readonly [number, number];

/** A file in which a detector speaks at some rows; a probation of a row is left silent. */
function file(rows: number, windows: readonly Window[], said: readonly number[]) {
  const scores = new Float64Array(rows);
  for (const row of said) scores[row] = 1;
  return { name: 'file', scores, windows };
}

const raw = (rows: number, windows: readonly Window[], said: readonly number[]) =>
  scoreAtThreshold([file(rows, windows, said)], 1).raw;

describe('the score of the benchmark', () => {
  test('is 0 for silence and 100 for the first row of every window', () => {
    const windows: Window[] = [
      [30, 39],
      [75, 95],
    ];
    expect(bestThreshold([file(100, windows, [])]).normalised).toBe(0);
    expect(scoreAtThreshold([file(100, windows, [30, 75])], 1).normalised).toBe(100);
    expect(bestThreshold([file(100, windows, [30, 75])]).normalised).toBe(100);
  });

  // The published worked cases: positions -1, -1/2 and 0 of a window, and far behind it.
  test.each([
    [-1, 0.9866142981514305],
    [-0.5, 0.8482836399575131],
    [0, 0],
    [1, -0.9866142981514305],
    [3, -1],
  ])('weighs the position %d by %d', (position, weight) => {
    expect(scaledSigmoid(position)).toBeCloseTo(weight, 12);
  });

  test.each([
    ['a false positive before any window', [20], -0.11 - 1],
    ['two false positives', [20, 21], -0.22 - 1],
    ['false positives of the probation', [1, 2, 14], -1],
    ['the second row of a window of two', [51], 0.8482836399575131 / 0.9866142981514305],
    ['both rows of it: the first counts', [50, 51], 1],
    ['the first row behind it', [52], -1 + 0.11 * scaledSigmoid(1)],
    ['a row far behind it', [80], -1.11],
  ])('of %s is as published', (_, said, expected) => {
    expect(raw(100, [[50, 51]], said)).toBeCloseTo(expected, 12);
  });

  // Random Cut Forest's published score of art_daily_jumpsup, 17 detections and none false: the
  // first of them, 202nd of the 403 rows of the window, decides.
  test('gives the published score of a published detection', () => {
    expect(raw(4032, [[2787, 3189]], [2988, 3000])).toBeCloseTo(0.86067182427, 10);
  });

  test.each([
    [100, 15],
    [4032, 604],
    [5000, 750],
    [22_695, 750],
  ])('leaves of %i rows %i out', (rows, expected) => {
    expect(probationRows(rows)).toBe(expected);
  });

  test('takes the threshold that is best over all files together', () => {
    const quiet = { name: 'a', scores: new Float64Array(100), windows: [[50, 60]] as Window[] };
    quiet.scores[50] = 0.4;
    const loud = { name: 'b', scores: new Float64Array(100).fill(0.3), windows: [] as Window[] };
    loud.scores[70] = 0.4;
    const best = bestThreshold([quiet, loud]);
    expect(best.threshold).toBe(0.4);
    expect(best.raw).toBeCloseTo(1 - 0.11);
  });
});

describe('the data of the benchmark', () => {
  const ROWS = 'timestamp,value\n2014-07-01 00:00:00,1\n2014-07-01 00:30:00,2.5\n';

  test('has rows of a time and a value, and windows among them', () => {
    const window = ['2014-07-01 00:00:00.000000', '2014-07-01 00:30:00.000000'] as const;
    expect(parseNab(ROWS, 'x.csv', [window])).toEqual({
      name: 'x.csv',
      times: [Date.UTC(2014, 6, 1), Date.UTC(2014, 6, 1, 0, 30)],
      values: [1, 2.5],
      windows: [[0, 1]],
    });
  });

  test.each([
    ['another head', 'time;value\n', [], /x\.csv:1/],
    ['no number', `${ROWS}2014-07-01 01:00:00,abc\n`, [], /x\.csv:4/],
    ['no time', `${ROWS}soon,4\n`, [], /x\.csv:4/],
    ['a window of other rows', ROWS, [['2013-01-01 00:00:00', '2014-07-01 00:30:00']], /window/],
  ])('is refused with %s', (_, text, windows, expected) => {
    expect(() => parseNab(text, 'x.csv', windows as [string, string][])).toThrow(expected);
  });

  test('is known by its labels, as a whole and by folder, and runs through a flow', async () => {
    const root = await mkdtemp(join(tmpdir(), 'ledge-nab-'));
    onTestFinished(() => rm(root, { recursive: true }));
    expect(await readNab(root)).toBeUndefined();
    await mkdir(join(root, 'labels'));
    await mkdir(join(root, 'data', 'known'), { recursive: true });
    const time = (row: number) =>
      new Date(Date.UTC(2020, 0, 1) + row * 300_000).toISOString().slice(0, 19).replace('T', ' ');
    const lines = Array.from({ length: 1600 }, (_, row) => {
      const value = Math.sin(row * row) + (row >= 1200 && row < 1210 ? 8 : 0);
      return `${time(row)},${value}`;
    });
    await writeFile(join(root, 'data/known/a.csv'), ['timestamp,value', ...lines, ''].join('\n'));
    const labels = { 'known/a.csv': [[time(1195), time(1300)]] };
    await writeFile(join(root, 'labels/combined_windows.json'), JSON.stringify(labels));
    const files = await readNab(join(root, 'data', 'known'));
    expect(files).toEqual(await readNab(root));
    const flows = packagePath('flows');
    const config = await configOf({ positionals: [], values: { flows } });
    const [all] = await evaluateNab('slow-series', files ?? [], config);
    expect(all).toMatchObject({ group: 'all', files: 1, windows: 1 });
    expect(all?.nabOwn).toBeGreaterThan(95);
  });
});
