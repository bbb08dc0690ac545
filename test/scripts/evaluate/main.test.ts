import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { packagePath } from '../../../src/std/package.ts';

const run = promisify(execFile);
const TSX = createRequire(import.meta.url).resolve('tsx/cli');

let folder = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ledge-evaluate-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** Runs the script on this folder; gives what it printed. */
function evaluate(...words: string[]) {
  const script = packagePath('scripts/evaluate/main.ts');
  return run(process.execPath, [TSX, script, ...words], { cwd: folder });
}

/** A machine whose speed drops in the last rows, in SKAB's form. */
function machine(rows: number, anomalous: number): string {
  const lines = Array.from({ length: rows }, (_, row) => {
    const anomaly = row >= rows - anomalous;
    const load = Math.sin(row * 0.7) + Math.sin(row * 1.93);
    const speed = (anomaly ? 12 : 20) + load;
    const when = new Date(Date.UTC(2020, 2, 1) + row * 1000).toISOString();
    const time = when.slice(0, 19).replace('T', ' ');
    return [time, speed, 5 + 2 * load, anomaly ? '1.0' : '0.0', '0.0'].join(';');
  });
  return ['datetime;speed;current;anomaly;changepoint', ...lines, ''].join('\n');
}

describe('evaluate', () => {
  test('runs series through a real node and prints exactly what machines read', async () => {
    await writeFile(join(folder, '1.csv'), machine(520, 60));
    const { stdout, stderr } = await evaluate('machine-anomaly', '--data', folder, '--json');
    const told = JSON.parse(stdout) as { events: number; metrics: Record<string, number> };
    expect(Object.keys(told)).toEqual(['flow', 'events', 'metrics']);
    expect(told.events).toBe(120);
    expect(told.metrics).toMatchObject({ unanswered: 0 });
    expect(told.metrics.f1).toBeGreaterThan(0.9);
    expect(told.metrics.latencyMsP95).toBeGreaterThanOrEqual(told.metrics.latencyMsP50 as number);
    expect(stderr).toContain('400 events were only learned from');
  });
  test('tells which flows run when asked for another', async () => {
    await writeFile(join(folder, '1.csv'), machine(2, 0));
    await expect(evaluate('machine-anomoly', '--data', folder)).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining('machine-anomaly (running)'),
    });
  });
  test('tells its usage when it is called without data', async () => {
    await expect(evaluate('machine-anomaly')).rejects.toMatchObject({ code: 2 });
  });
});
