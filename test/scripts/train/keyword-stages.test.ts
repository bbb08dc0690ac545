import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { z } from '../../../src/std/schema.ts';

/** Debian's own, which has PyTorch. */
const PYTHON = '/usr/bin/python3';
const TIMEOUT_MS = 120_000;
const script = fileURLToPath(new URL('../../fixtures/keyword_stages.py', import.meta.url));
const samples = ['keyword-samples.ts', 'command-samples.ts'].map(
  (name) => new URL(`../../../scripts/fixtures/${name}`, import.meta.url),
);
const folder = mkdtempSync(join(tmpdir(), 'ledge-keyword-'));
afterAll(() => rmSync(folder, { recursive: true }));

const foundSchema = z.object({
  distilled: z.object({ asTeacher: z.number(), epochs: z.number() }),
  pruned: z.object({ parametersGone: z.number(), moved: z.number() }),
  calibrated: z.object({
    temperature: z.number(),
    before: z.number(),
    after: z.number(),
    folded: z.number(),
  }),
  voices: z.array(z.string()),
});

const torch = spawnSync(PYTHON, ['-c', 'import torch']).status === 0;
if (!torch) console.warn(`SKIPPED: ${PYTHON} has no PyTorch; the keyword training is not tested`);

describe.runIf(torch)('the keyword training (needs PyTorch)', () => {
  let found: z.output<typeof foundSchema>;

  test('a student alone with its teacher says what the teacher says', {
    timeout: TIMEOUT_MS,
  }, () => {
    const { status, stdout, stderr } = spawnSync(PYTHON, [script, folder], {
      encoding: 'utf8',
      env: { ...process.env, OMP_NUM_THREADS: '1' },
    });
    if (status !== 0) throw new Error(stderr);
    found = foundSchema.parse(JSON.parse(stdout));
    expect(found.distilled.epochs).toBe(8);
    expect(found.distilled.asTeacher).toBeGreaterThan(0.9);
  });

  test('channels that say nothing are cut without a change', () => {
    // 3 of 8 inner channels: two kernels of 8 x 5, and a scale and a shift each.
    expect(found.pruned.parametersGone).toBe(3 * (2 * 8 * 5 + 2));
    expect(found.pruned.moved).toBeLessThan(1e-5);
  });

  test('the temperature of logits twice too sure is two, folded into the last layer', () => {
    const { temperature, before, after, folded } = found.calibrated;
    expect(temperature).toBeGreaterThan(1.9);
    expect(temperature).toBeLessThan(2.1);
    expect(after).toBeLessThan(before / 3);
    expect(folded).toBeLessThan(1e-5);
  });

  test('no voice of the samples of a flow is trained on', () => {
    const text = samples.map((url) => readFileSync(url, 'utf8')).join('');
    const said = [...text.matchAll(/voice: '([^']+)'/g)].map(([, voice]) => voice!);
    expect(said.length).toBeGreaterThan(10);
    expect(said.filter((voice) => found.voices.includes(voice))).toEqual([]);
  });
});
