import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadRecipe } from '../../../src/compress/recipe.ts';
import type { CompressReport } from '../../../src/compress/report.ts';
import { loadModel } from '../../../src/models/store.ts';
import { packagePath } from '../../../src/std/package.ts';
import { model, modelBytes, node, valueInfo, weights } from '../../fixtures/onnx-models.ts';
import { ledge } from '../../harness/cli.ts';
import { labelledSamples } from '../../harness/labelled-samples.ts';
import { temporaryFolder } from '../../harness/node.ts';

/** Several runs of the program one after the other, on a machine that others use too. */
const LONG_MS = 300_000;

let folder = '';
let source = '';

beforeAll(async () => {
  folder = await temporaryFolder();
  source = join(folder, 'source.onnx');
  const bytes = modelBytes(
    model({
      nodes: [
        node('MatMul', [['x', 'w'], ['h']], { name: 'first' }),
        node('Relu', [['h'], ['r']]),
        node('MatMul', [['r', 'v'], ['y']], { name: 'second' }),
      ],
      initializers: [weights('w', [64, 128]), weights('v', [128, 32])],
      inputs: [valueInfo('x', 'float32', ['N', 64])],
      outputs: [valueInfo('y', 'float32', ['N', 32])],
    }),
  );
  writeFileSync(source, bytes);
});
afterAll(() => rm(folder, { recursive: true }));

describe('ledge compress --budget', { timeout: LONG_MS }, () => {
  test('writes what holds the budget, with all candidates, a picture and the recipe', async () => {
    const data = await labelledSamples(['yes.wav', 'no.wav', 'go.wav'], 2);
    const out = join(folder, 'searched');
    const budget = 'accuracy>=-100pp,size<=9MB';
    const words = ['compress', 'keyword-spotting', '--budget', budget, '--data', data];
    const { code, stdout } = await ledge([...words, '--out', out, '--candidates', '5', '--json']);
    expect(code).toBe(0);
    const { search, accuracy, tests, files, recipe } = JSON.parse(stdout) as CompressReport;
    expect(search?.budget).toBe(budget);
    const tried = search?.candidates ?? [];
    expect(tried.length + (search?.skipped.length ?? 0)).toBe(5);
    expect(search?.endedBy).toBe('candidates');
    expect(search?.chosen).toBe(recipe);
    const chosen = tried.find(({ name }) => name === recipe);
    expect(chosen?.misses).toEqual([]);
    const least = Math.min(...tried.map(({ sizeBytes }) => sizeBytes));
    expect(chosen?.sizeBytes).toBeLessThan(least * 1.03);
    // Half of the six events chose, the other half is told.
    expect(accuracy).toMatchObject({ source: 'data', count: 3 });
    expect(search?.chosenBy).toContain('3 events');
    expect(tests?.source).toBe('tests');
    expect(readdirSync(out).sort()).toEqual([
      'model.onnx',
      'model.yaml',
      'pareto.svg',
      'recipe.yaml',
      'report.json',
      'report.md',
    ]);
    expect(readFileSync(join(out, 'report.md'), 'utf8')).toContain('## Candidates');
    expect((await loadRecipe(join(out, 'recipe.yaml'))).passes.length).toBeGreaterThan(2);
    const written = await loadModel(out);
    expect(written.sha256).toBe(files[0]?.sha256);
    expect(written.manifest?.accuracy?.[0]).toMatchObject({ metric: 'accuracy', count: 3 });
    await rm(data, { recursive: true });
  });

  test('that nothing holds ends with 1, tells the table and the nearest, and writes nothing', async () => {
    const out = join(folder, 'none');
    const words = ['compress', source, '--budget', 'size<=1kB,sqnr>=20dB', '--candidates', '4'];
    const { code, stderr, stdout } = await ledge([...words, '--out', out]);
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^candidate .*\n.*clean .*misses size<=1kB/);
    expect(stderr).toMatch(/none of 4 candidates holds .*; the nearest is int8/);
    expect(readdirSync(folder).filter((name) => name.includes('none'))).toEqual([]);
  });

  test('takes no events for two things', async () => {
    const data = await labelledSamples(['yes.wav', 'no.wav'], 1);
    const words = ['compress', 'keyword-spotting', '--budget', 'size<=9MB', '--data', data];
    const alone = await ledge(words);
    expect(alone).toMatchObject({ code: 1, stderr: expect.stringContaining('--choose') });
    const twice = await ledge([...words, '--choose', data]);
    expect(twice).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/Cannot use --choose: 2 of its files are in --data as well/),
    });
    await rm(data, { recursive: true });
  });

  test.each([
    [['--budget', 'size=2MB'], /term 1, "size=2MB", at character 5/],
    [['--budget', 'accuracy>=-1pp'], /a model alone, which has no accuracy/],
    [['--budget', 'size<=2MB', '--minutes', 'soon'], /--minutes: "soon"/],
    [['--recipe', 'int8', '--data', '.'], /Cannot use --data: .* is a model alone/],
    [['--recipe', 'int8', '--board', 'raspberry-pi-44'], /did you mean "raspberry-pi-4"/],
    [['--recipe', 'fp16', '--board', 'raspberry-pi-4'], /fp16 is not one of the precisions/],
  ])('%j is refused with its reason', async (words, reason) => {
    const { code, stderr } = await ledge([
      'compress',
      source,
      ...words,
      '--out',
      join(folder, 'x'),
    ]);
    expect(code).toBe(1);
    expect(stderr).toMatch(reason);
    expect(existsSync(join(folder, 'x'))).toBe(false);
  });
});

test("a board's limits are told beside what was measured elsewhere", async () => {
  const out = join(folder, 'board');
  const words = ['compress', source, '--recipe', 'int8', '--board', 'raspberry-pi-4', '--json'];
  const { code, stdout } = await ledge([...words, '--out', out]);
  expect(code).toBe(0);
  const { board, accuracy } = JSON.parse(stdout) as CompressReport;
  expect(board).toMatchObject({ name: 'raspberry-pi-4', memoryBudgetBytes: 4_294_967_296 });
  expect(board?.note).toContain('none of them on the board');
  expect(accuracy).toBeUndefined();
  expect(readFileSync(join(out, 'report.md'), 'utf8')).toContain('Accuracy: not measured');
});

test('a model that a board has no memory for is refused with figures', async () => {
  const file = join(folder, 'tiny-board.yaml');
  writeFileSync(
    file,
    JSON.stringify({
      title: 'Tiny board',
      match: ['Tiny board'],
      architecture: 'arm64',
      memoryBytes: 20_000,
      cores: 1,
      source: 'Made for a test.',
      providers: ['cpu'],
      precision: ['int8', 'fp32'],
      memoryShare: 0.5,
    }),
  );
  const out = join(folder, 'too-large');
  const words = ['compress', source, '--recipe', 'int8', '--board', file, '--out', out];
  const { code, stderr } = await ledge(words);
  expect(code).toBe(1);
  expect(stderr).toMatch(/one copy needs \d+\.\d MB of weights and arena, 0\.0 MB .* Tiny board/);
  expect(existsSync(out)).toBe(false);
});

describe('a run that is ended', { timeout: LONG_MS }, () => {
  /** Starts a run, ends it once its folder out of sight is there, and gives how it ended. */
  async function endedBy(signal: NodeJS.Signals, out: string) {
    const words = ['compress', source, '--recipe', 'int8', '--out', join(folder, out)];
    const child = spawn(process.execPath, [packagePath('dist/cli/main.js'), ...words], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const stderr = text(child.stderr);
    const exited = once(child, 'exit');
    const partial = `.${out}.partial-${child.pid}`;
    while (!existsSync(join(folder, partial)) && child.exitCode === null) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    child.kill(signal);
    const [code, by] = (await exited) as [number | null, NodeJS.Signals | null];
    return { code, by, stderr: await stderr, left: readdirSync(folder), partial };
  }

  test('by SIGINT leaves nothing and says so', async () => {
    const { code, stderr, left, partial } = await endedBy('SIGINT', 'stopped');
    expect(code).toBe(1);
    expect(stderr).toContain('Stopped; nothing was written');
    expect(left).not.toContain('stopped');
    expect(left).not.toContain(partial);
  });

  test('by SIGKILL leaves no half-written result, and the next run clears up', async () => {
    const { by, left } = await endedBy('SIGKILL', 'killed');
    expect(by).toBe('SIGKILL');
    expect(left).not.toContain('killed');
    const words = ['compress', source, '--recipe', 'clean', '--out', join(folder, 'killed')];
    expect((await ledge(words)).code).toBe(0);
    const after = readdirSync(folder).filter((name) => name.includes('killed'));
    expect(after).toEqual(['killed']);
  });

  test('by SIGINT in a search stops it', async () => {
    const out = join(folder, 'searching');
    const words = ['compress', source, '--budget', 'size<=1B', '--out', out];
    const child = spawn(process.execPath, [packagePath('dist/cli/main.js'), ...words], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const stderr = text(child.stderr);
    const exited = once(child, 'exit');
    const scratch = () => readdirSync(tmpdir()).filter((name) => name.startsWith('ledge-search-'));
    const before = new Set(scratch());
    while (scratch().every((name) => before.has(name)) && child.exitCode === null) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    child.kill('SIGINT');
    const [code] = (await exited) as [number | null];
    expect(code).toBe(1);
    expect(await stderr).toContain('Stopped; nothing was written');
    expect(existsSync(out)).toBe(false);
  });
});
