import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { type CaseReport, caseFailed, createEvent, runCase } from '../../flow/case.ts';
import type { EventOutcome } from '../../flow/event.ts';
import type { TraceEntry } from '../../flow/observe.ts';
import { createPlan } from '../../flow/plan.ts';
import { createMemoryState } from '../../flow/state.ts';
import type { Result } from '../../flow/value.ts';
import { resultPattern } from '../../node/flow-clash.ts';
import { closeLoaded, type LoadedFlow, loadFlow } from '../../node/flow-load.ts';
import { LedgeError } from '../../std/error.ts';
import { formatProblem } from '../../std/yaml.ts';
import type { Arguments, Command, Terminal } from '../command.ts';
import { findFlow, flowFolders, loadOrFail, openWorkbench } from '../flow-folder.ts';
import { configOf, NODE_OPTION_HELP, NODE_OPTIONS } from '../node-options.ts';
import { startProgress } from '../progress.ts';
import { formatTable } from '../table.ts';

/** `ledge flow list|test|trace`. */
export const flow: Command = {
  summary: 'List flows, run their tests, trace an event through one',
  usage: 'flow list | flow test [flow...] | flow trace <flow> <file> [--device ID] [--json]',
  options: { ...NODE_OPTIONS, device: { type: 'string' }, json: { type: 'boolean' } },
  optionHelp: { ...NODE_OPTION_HELP, device: 'the device that sends the event', json: 'JSON' },
  examples: [
    'ledge flow list',
    'ledge flow test keyword-spotting',
    'ledge flow trace keyword-spotting flows/keyword-spotting/samples/yes.wav',
  ],
  async run(args, terminal) {
    const [action, ...rest] = args.positionals;
    if (action === 'list' && rest.length === 0) return list(args, terminal);
    if (action === 'test') return test(rest, args, terminal);
    if (action === 'trace' && rest.length === 2) return trace(rest, args, terminal);
    terminal.stderr.write(`ledge: what to do?\nUsage: ledge ${flow.usage}\n`);
    return 2;
  },
};

async function list(args: Arguments, { stdout }: Terminal): Promise<number> {
  const config = await configOf(args);
  await using workbench = await openWorkbench(config);
  const rows: object[] = [];
  let bad = 0;
  for (const folder of await flowFolders(config)) {
    const loaded = await loadFlow(folder, workbench.load);
    if (loaded.kind === 'problems') {
      bad += 1;
      rows.push({ name: basename(folder), problems: loaded.problems.map(formatProblem) });
      continue;
    }
    const { file, parts, intake } = loaded.value;
    const out = resultPattern(loaded.value, `ledge/${config.node}`);
    const { name, description, priority } = parts;
    const model = parts.steps.findLast(({ compiled }) => compiled.model)?.compiled.model;
    rows.push({
      name,
      enabled: file.enabled,
      priority,
      in: intake.pattern.pattern,
      out,
      model,
      description,
    });
    await closeLoaded(loaded.value);
  }
  if (args.values.json === true) stdout.write(`${JSON.stringify({ flows: rows })}\n`);
  else stdout.write(formatTable(rows.map(flatten)));
  return bad > 0 ? 1 : 0;
}

function flatten(row: object): Record<string, string> {
  const text = (value: unknown) =>
    typeof value === 'object' && value !== null
      ? Object.values(value).join(' ')
      : String(value ?? '');
  return Object.fromEntries(Object.entries(row).map(([key, value]) => [key, text(value)]));
}

async function test(names: string[], args: Arguments, terminal: Terminal): Promise<number> {
  const config = await configOf(args);
  await using workbench = await openWorkbench(config);
  const folders =
    names.length > 0
      ? await Promise.all(names.map((name) => findFlow(name, config)))
      : await flowFolders(config);
  const reports: (CaseReport & { flow: string })[] = [];
  const progress = startProgress(terminal, folders.length);
  for (const folder of folders) {
    const loaded = await loadOrFail(folder, workbench);
    reports.push(...(await testFlow(loaded, folder)));
    progress.step(loaded.parts.name);
  }
  progress.end();
  const failed = reports.filter(({ passed }) => !passed).length;
  if (args.values.json === true) {
    terminal.stdout.write(
      `${JSON.stringify({ passed: reports.length - failed, failed, reports })}\n`,
    );
  } else {
    for (const report of reports) {
      terminal.stdout.write(`${report.passed ? 'ok  ' : 'FAIL'}  ${report.flow}: ${report.name}\n`);
      for (const line of report.differences) terminal.stdout.write(`      ${line}\n`);
    }
    terminal.stdout.write(`${reports.length - failed} passed, ${failed} failed\n`);
  }
  return failed > 0 ? 1 : 0;
}

/** Each test on a fresh plan's state: what one device learned is no other test's. */
export async function testFlow(
  loaded: LoadedFlow,
  folder: string,
): Promise<(CaseReport & { flow: string })[]> {
  const reports: (CaseReport & { flow: string })[] = [];
  for (const one of loaded.parts.tests) {
    const plan = createPlan(loaded.parts, createMemoryState());
    const report = await runCase(plan, one, folder).catch((error) => caseFailed(one, error));
    reports.push({ flow: loaded.parts.name, ...report });
  }
  await closeLoaded(loaded);
  return reports;
}

async function trace(
  [name = '', file = '']: string[],
  args: Arguments,
  { stdout }: Terminal,
): Promise<number> {
  const config = await configOf(args);
  await using workbench = await openWorkbench(config);
  const loaded = await loadOrFail(await findFlow(name, config), workbench);
  const plan = createPlan(loaded.parts, createMemoryState());
  const payload = await readFile(file).catch((error: Error) => {
    throw new LedgeError('not-found', `Cannot read the event: ${error.message}`);
  });
  const device = typeof args.values.device === 'string' ? args.values.device : 'trace';
  const event = createEvent({ device, topic: file, payload, ts: Date.now() });
  const entries: TraceEntry[] = [];
  const { results, end } = await plan.process(event, (entry) => entries.push(entry));
  await plan.close();
  if (args.values.json === true) {
    stdout.write(`${JSON.stringify({ steps: entries, results, end: plainEnd(end) })}\n`);
  } else {
    const rows = entries.map(({ step, stage, phase, tookMs, output }) => {
      return { step: String(step + 1), stage, phase, ms: tookMs.toFixed(3), output };
    });
    stdout.write(formatTable(rows));
    for (const { result } of results) stdout.write(`result  ${JSON.stringify(result)}\n`);
    if (end.kind === 'drop') stdout.write(`dropped: ${end.reason}\n`);
    if (end.kind === 'fail') stdout.write(`failed: ${end.error.code}: ${end.error.message}\n`);
  }
  return end.kind === 'fail' ? 1 : 0;
}

/** JSON leaves the message of an error out. */
function plainEnd(end: EventOutcome<Result>['end']): object {
  if (end.kind !== 'fail') return end;
  const { code, message, context } = end.error;
  return { kind: end.kind, error: { code, message, context } };
}
