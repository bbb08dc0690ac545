import { cp } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { caseFailed, runCase } from '../flow/case.ts';
import { createPlan } from '../flow/plan.ts';
import { createMemoryState } from '../flow/state.ts';
import { LedgeError } from '../std/error.ts';
import { formatProblem } from '../std/yaml.ts';
import { type NewVersion, writeVersion } from '../teach/versions.ts';
import { closeLoaded, loadFlow } from './flow-load.ts';
import type { Bench } from './record-runs.ts';

/** How many of a flow's own tests pass. */
export interface TestCount {
  readonly passed: number;
  readonly of: number;
}

/**
 * Tries a new version in a copy of the flow's folder: it must compile, and every test that passed
 * before must pass. Throws `flow-invalid` or `model-refused`, naming what does not.
 */
export async function checkTaught(
  { folder, load }: Pick<Bench, 'load'> & { readonly folder: string },
  { version, scratch }: { readonly version: NewVersion; readonly scratch: string },
): Promise<TestCount> {
  const copy = join(scratch, basename(folder));
  await cp(folder, copy, { recursive: true });
  await writeVersion(copy, version);
  const before = await failedTests(folder, load);
  const after = await failedTests(copy, load);
  const broken = after.failed.find(({ name }) => !before.failed.some((one) => one.name === name));
  if (broken !== undefined) {
    const state = `its test "${broken.name}" passed before: ${broken.differences.join('; ')}`;
    throw new LedgeError('model-refused', `Cannot teach "${basename(folder)}": ${state}`);
  }
  return { passed: after.of - after.failed.length, of: after.of };
}

async function failedTests(folder: string, load: Bench['load']) {
  // A copy has no signature of its own; whether the flow may change was asked before.
  const loaded = await loadFlow(folder, { ...load, trust: [] });
  if (loaded.kind === 'problems') {
    const problems = loaded.problems.map(formatProblem).join('\n');
    throw new LedgeError('flow-invalid', `Cannot teach "${basename(folder)}": ${problems}`);
  }
  const { parts } = loaded.value;
  try {
    const reports = [];
    for (const one of parts.tests) {
      const plan = createPlan(parts, createMemoryState());
      reports.push(await runCase(plan, one, folder).catch((error) => caseFailed(one, error)));
    }
    return { of: reports.length, failed: reports.filter(({ passed }) => !passed) };
  } finally {
    await closeLoaded(loaded.value);
  }
}
