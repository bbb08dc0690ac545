import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { runCommandLine } from '../../../src/cli/command-line.ts';
import type { Profiled } from '../../../src/compress/profile/chart.ts';
import { packagePath } from '../../../src/std/package.ts';
import { matmulModel, modelBytes } from '../../fixtures/onnx-models.ts';
import { ledge } from '../../harness/cli.ts';
import { xmlProblem } from '../../harness/xml.ts';

const folder = mkdtempSync(join(tmpdir(), 'ledge-cli-profile-'));
afterAll(() => rmSync(folder, { recursive: true }));

const file = join(folder, 'dense.onnx');
writeFileSync(file, modelBytes(matmulModel({ inputs: 256, outputs: 256 })));

/** The measuring process keeps its files in a folder of the system's. */
const env = { TMPDIR: folder };

function leftovers(): string[] {
  return readdirSync(folder).filter((name) => name.startsWith('ledge-') || /partial/.test(name));
}

describe('ledge profile', () => {
  test('of a model prints sentence, operators, nodes, memory and machine', async () => {
    const words = ['profile', file, '--size', 'N=64', '--runs', '20'];
    const { code, stdout } = await ledge(words, { env });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^dense\.onnx: .* a run \(eight in ten of 20 runs .*\), 1 thread, /);
    expect(stdout).toMatch(/ % of the time .*\.\nTo try: /);
    expect(stdout).toMatch(/\nMatMul +1 +\d/);
    expect(stdout).toMatch(/\nbetween nodes /);
    expect(stdout).toMatch(/\nThe slowest 1 nodes:\nnode .*\ndense +MatMul/);
    expect(stdout).toMatch(/\nweights +262\.1 kB\n/);
    expect(stdout).toMatch(/\nmachine +.* GFLOP\/s float32, .* GB\/s through /);
    expect(leftovers()).toEqual([]);
  });

  test("of a flow has each step's time and its model on recorded samples, in page and chart", async () => {
    const [html, svg] = [join(folder, 'out.html'), join(folder, 'out.svg')];
    const words = ['keyword-spotting', '--runs', '5', '--html', html, '--svg', svg, '--json'];
    const { code, stdout } = await ledge(['profile', ...words], { env });
    expect(code).toBe(0);
    const { flow, models } = JSON.parse(stdout) as Profiled;
    const phases = flow?.steps.map(({ phase }) => phase);
    expect(new Set(phases)).toEqual(new Set(['decode', 'preprocess', 'infer', 'postprocess']));
    expect(flow?.steps.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 9);
    expect(flow?.events).toBeGreaterThan(1);
    expect(models[0]).toMatchObject({ samples: { kind: 'recorded' }, run: { runs: 5 } });
    for (const path of [html, svg]) {
      const text = readFileSync(path, 'utf8');
      expect(xmlProblem(text)).toBeUndefined();
      for (const { name, share, operator } of models[0]?.nodes ?? []) {
        if (share > 0.01) expect(text).toContain(`${name} (${operator}`);
      }
    }
    expect(leftovers()).toEqual([]);
  });

  test.each<[readonly string[], number, RegExp]>([
    [['profile'], 2, /Usage: ledge profile/],
    [['profile', file, 'more'], 2, /Usage: ledge profile/],
    [['profile', 'nothing.onnx'], 1, /There is no flow "nothing\.onnx"/],
    [['profile', file, '--threads', '0'], 1, /--threads: expected a whole number from 1 to 64/],
    [['profile', file, '--runs', '1e9'], 1, /--runs: expected a whole number .*got "1e9"/],
    [['profile', file, '--size', 'N'], 1, /--size: expected NAME=N, got "N"/],
    [['profile', file, '--size', 'N=-1'], 1, /--size N: expected a whole number/],
    [
      ['profile', file, '--svg', 'no/such.svg'],
      1,
      /Cannot write no\/such\.svg: there is no folder/,
    ],
    [['profile', file, '--size', 'M=2'], 1, /no free dimension "M"; free are N \(x\.0\)/],
  ])('%j ends with %s', async (words, code, message) => {
    let told = '';
    const ended = await runCommandLine(words, {
      stdout: { write: () => undefined },
      stderr: { write: (text) => (told += text) },
      signal: new AbortController().signal,
    });
    expect(told).toMatch(message);
    expect(ended).toBe(code);
  });

  test('ends in order at Ctrl-C and leaves nothing behind', async () => {
    const words = [packagePath('dist/cli/main.js'), 'profile', file, '--runs', '10000'];
    const child = spawn(process.execPath, words, { env: { ...process.env, ...env } });
    let told = '';
    child.stderr.on('data', (data: Buffer) => {
      told += data.toString();
    });
    const ended = once(child, 'exit');
    // The measuring process has begun when its request is there.
    while (!leftovers().some((name) => readdirSync(join(folder, name)).includes('request.json'))) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    child.kill('SIGINT');
    const [code] = await ended;
    expect(told).toMatch(/Stopped; nothing was written/);
    expect(code).toBe(1);
    expect(leftovers()).toEqual([]);
  });
});
