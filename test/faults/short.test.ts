import { rm } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { runScenario } from '../../scripts/faults/run-scenario.ts';
import { SCENARIOS } from '../../scripts/faults/scenarios.ts';
import { temporaryFolder } from '../harness/node.ts';

/** A scenario takes up to twenty seconds on a machine that has nothing else to do. */
const TIMEOUT_MS = 180_000;
/** The soak proves something in its long version; here only that it runs. */
const SOAK_MINUTES = 0.25;

describe.each(SCENARIOS)('$name', (scenario) => {
  const missing = scenario.missing?.();
  const title = missing === undefined ? scenario.summary : `${scenario.summary} (${missing})`;
  test.skipIf(missing !== undefined)(
    title,
    async () => {
      const folder = await temporaryFolder();
      const said: string[] = [];
      const report = await runScenario(scenario, {
        length: 'short',
        minutes: SOAK_MINUTES,
        seed: 1,
        folder,
        say: (text) => said.push(text),
      });
      expect(report.unmet, said.join('\n')).toEqual([]);
      expect(report.met).toBe(true);
      await rm(folder, { recursive: true, force: true });
    },
    TIMEOUT_MS,
  );
});
