import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { formatReports } from './report.ts';
import { runScenario } from './run-scenario.ts';
import type { Report } from './scenario.ts';
import { SCENARIOS } from './scenarios.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

const HELP = `npm run -s faults -- [--scenario NAME]... [--long] [--seed N] [--json] [--list]
  --scenario NAME  only this one; may be given several times
  --short          a few minutes in all: the default
  --long           the figures of docs/reliability.md: about an hour
  --minutes N      length of the soak; default 0.5, with --long 10
  --seed N         where and when the faults strike; default 1
  --json           only {"scenarios": [...]} on stdout
  --list           names the scenarios
The exit code is 1 where a scenario is not met. Logs stay in .bench/faults/<scenario>.
`;

const { values } = parseArgs({
  options: {
    scenario: { type: 'string', multiple: true },
    seed: { type: 'string', default: '1' },
    minutes: { type: 'string' },
    json: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    long: { type: 'boolean', default: false },
    short: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

process.exitCode = await main();

async function main(): Promise<number> {
  if (values.help) return tell(HELP);
  if (values.list) {
    return tell(SCENARIOS.map(({ name, summary }) => `${name.padEnd(18)}${summary}\n`).join(''));
  }
  const names = values.scenario ?? SCENARIOS.map(({ name }) => name);
  const unknown = names.filter((name) => !SCENARIOS.some((scenario) => scenario.name === name));
  const length = values.long ? 'long' : 'short';
  const minutes = Number(values.minutes ?? (values.long ? 10 : 0.5));
  const seed = Number(values.seed);
  if (unknown.length > 0 || !Number.isInteger(seed) || !(minutes > 0)) {
    const wrong = unknown.length > 0 ? `There is no scenario ${unknown.join(', ')}\n` : '';
    process.stderr.write(`${wrong}${HELP}`);
    return 2;
  }
  const reports: Report[] = [];
  for (const scenario of SCENARIOS.filter(({ name }) => names.includes(name))) {
    const folder = join(ROOT, '.bench/faults', scenario.name);
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    const say = (text: string) => void process.stderr.write(`${scenario.name}: ${text}\n`);
    reports.push(await runScenario(scenario, { length, minutes, seed, folder, say }));
  }
  const text = `${JSON.stringify({ scenarios: reports }, null, 2)}\n`;
  process.stdout.write(values.json ? text : formatReports(reports));
  return reports.some(({ met }) => met === false) ? 1 : 0;
}

function tell(text: string): number {
  process.stdout.write(text);
  return 0;
}
