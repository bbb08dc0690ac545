import { execFile } from 'node:child_process';
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { formatResult } from '../../../src/cli/commands/replay.ts';
import { packagePath } from '../../../src/std/package.ts';
import { type RunningNode, startNode, temporaryFolder } from '../../harness/node.ts';

const run = promisify(execFile);
const SAMPLES = packagePath('flows/machine-anomaly/samples');

let flows = '';
let node: RunningNode;

beforeAll(async () => {
  flows = await temporaryFolder();
  const from = packagePath('flows/machine-anomaly');
  await cp(from, join(flows, 'machine-anomaly'), { recursive: true });
  node = await startNode({ flows });
});
afterAll(async () => {
  await node[Symbol.asyncDispose]();
  await rm(flows, { recursive: true });
});

const replay = (...words: string[]) =>
  run(process.execPath, [
    packagePath('dist/cli/main.js'),
    ...['replay', ...words, '--broker', node.ready.mqtt, '--wait', '1'],
  ]);

describe('ledge replay', () => {
  test('publishes the samples of a flow and prints one JSON line a result', async () => {
    const { stdout } = await replay(SAMPLES, '--speed', '5000', '--device', 'one', '--json');
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.at(-1)).toEqual({
      summary: {
        events: 760,
        results: 360,
        answered: 360,
        failed: 0,
        unanswered: 400,
        dropped: {},
      },
    });
    expect(lines[0]).toMatchObject({
      event: 'pump-1-normal.jsonl:401',
      kind: 'result',
      device: 'one',
      model: { name: 'learned-baseline' },
      result: { anomaly: false },
    });
  });
  test('prints a table, and what had no result', async () => {
    const { stdout } = await replay(SAMPLES, '--speed', '5000', '--device', 'two');
    expect(stdout).toMatch(/pump-2-faults\.jsonl:260.*ANOMALY.* by pressure/);
    expect(stdout).toContain('760 events, 360 results; 400 events had no result');
  });
  test.each([
    ['a folder that is not there', ['/nowhere'], /Cannot replay \/nowhere/],
    ['a flow that is not there', [SAMPLES, '--flow', 'words'], /there are machine-anomaly of node/],
    ['a speed of nothing', [SAMPLES, '--speed', '0'], /--speed is "0", expected a number above 0/],
  ])('refuses %s', async (_, words, message) => {
    await expect(replay(...words)).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(message),
    });
  });
  test('says so where no broker answers', async () => {
    const words = ['replay', SAMPLES, '--broker', 'mqtt://127.0.0.1:1'];
    await expect(
      run(process.execPath, [packagePath('dist/cli/main.js'), ...words]),
    ).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('No broker answers') });
  });
});

test.each([
  [{ label: 'yes', score: 0.91 }, 'yes  0.910'],
  [{ score: 3, anomaly: true, threshold: 2, top: [{ field: 'flow' }] }, /ANOMALY.*3\.00.*by flow/],
  [{ values: [1, 2] }, '{"values":[1,2]}'],
  [undefined, ''],
])('the result %j is told in a line', (result, expected) => {
  expect(formatResult(result)).toMatch(expected);
});
