import {
  emptyReport,
  judge,
  type Length,
  type Outcome,
  type Report,
  type Scenario,
} from './scenario.ts';
import { createRandom } from './toolbox/random.ts';

export interface RunOptions {
  readonly length: Length;
  readonly minutes: number;
  readonly seed: number;
  readonly folder: string;
  say(text: string): void;
}

/** Runs one scenario and judges it; one that fails by an error is not met, and the others run on. */
export async function runScenario(scenario: Scenario, options: RunOptions): Promise<Report> {
  const { name } = scenario;
  const missing = scenario.missing?.();
  if (missing !== undefined) {
    options.say(`SKIPPED: ${missing}`);
    return emptyReport(name, missing, 'skipped');
  }
  const undo: (() => Promise<unknown> | unknown)[] = [];
  const startedAt = performance.now();
  let report: Report;
  try {
    const outcome: Outcome = await scenario.run({
      ...options,
      random: createRandom(options.seed).fork(name),
      defer: (step) => void undo.push(step),
    });
    report = judge(name, outcome, performance.now() - startedAt);
  } catch (error) {
    options.say(error instanceof Error ? (error.stack ?? error.message) : String(error));
    report = emptyReport(name, `failed: ${String(error)}`, 'failed');
  }
  for (const step of undo.reverse()) {
    try {
      await step();
    } catch (error) {
      options.say(`clearing up: ${String(error)}`);
    }
  }
  options.say(report.met === true ? 'met' : `NOT MET: ${report.unmet.join('; ')}`);
  return report;
}
