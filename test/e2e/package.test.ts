import { execFile } from 'node:child_process';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { packageRoot } from '../../src/std/package.ts';
import { temporaryFolder } from '../harness/node.ts';

const run = promisify(execFile);
/** Installing fetches or unpacks some 300 MB. */
const INSTALL_MS_MAX = 300_000;

let folder: string;

beforeAll(async () => {
  folder = await temporaryFolder();
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder], {
    cwd: packageRoot,
  });
  const [{ filename, files }] = JSON.parse(stdout);
  expect(files.map(({ path }: { path: string }) => path)).toEqual(
    expect.arrayContaining(['dist/cli/main.js', 'dist/infer/worker.js', 'README.md', 'LICENSE']),
  );
  const app = join(folder, 'app');
  await mkdir(app);
  await writeFile(join(app, 'package.json'), '{"private": true}');
  await writeFile(join(app, '.npmrc'), 'ignore-scripts=true\n');
  await run(
    'npm',
    ['install', '--no-audit', '--no-fund', '--prefer-offline', join(folder, filename)],
    {
      cwd: app,
    },
  );
}, INSTALL_MS_MAX);

afterAll(() => rm(folder, { recursive: true, force: true }));

test('the packed package runs its own flows where it is installed', async () => {
  const app = join(folder, 'app');
  const bin = join(app, 'node_modules/.bin/ledge');
  const { stdout } = await run(bin, ['flow', 'test', '--json', '--data', join(folder, 'data')], {
    cwd: app,
  });
  const report = JSON.parse(stdout);
  expect(report.failed).toBe(0);
  expect(report.passed).toBeGreaterThanOrEqual(3);
  expect(await readdir(app)).not.toContain('flows');
});
