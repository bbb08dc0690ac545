import { loadConfigProblems } from '../../node/config-load.ts';
import { findClash } from '../../node/flow-clash.ts';
import { closeLoaded, type LoadedFlow, loadFlow } from '../../node/flow-load.ts';
import { LedgeError } from '../../std/error.ts';
import { formatProblem, type Problem } from '../../std/yaml.ts';
import type { Command } from '../command.ts';
import { flowFolders, openWorkbench } from '../flow-folder.ts';
import { configOf, NODE_OPTION_HELP, NODE_OPTIONS } from '../node-options.ts';

/** `ledge check`: every problem in configuration, flows and models, without starting a node. */
export const check: Command = {
  summary: 'Find every problem in configuration, flows and models',
  usage: 'check [--config FILE] [--flows DIR] [--json]',
  options: { ...NODE_OPTIONS, json: { type: 'boolean' } },
  optionHelp: { ...NODE_OPTION_HELP, json: 'problems as JSON' },
  examples: ['ledge check', 'ledge check --flows ./flows --json'],
  async run(args, { stdout }) {
    const { checked, problems } = await findProblems(() => configOf(args));
    if (args.values.json === true) {
      stdout.write(`${JSON.stringify({ checked, problems })}\n`);
    } else {
      for (const problem of problems) stdout.write(`${formatProblem(problem)}\n`);
      stdout.write(`${checked} flows checked, ${problems.length} problems\n`);
    }
    return problems.length > 0 ? 1 : 0;
  },
};

async function findProblems(
  readConfig: () => ReturnType<typeof configOf>,
): Promise<{ checked: number; problems: readonly Problem[] }> {
  let config: Awaited<ReturnType<typeof configOf>>;
  try {
    config = await readConfig();
  } catch (error) {
    return { checked: 0, problems: loadConfigProblems(error) };
  }
  const problems: Problem[] = [];
  const loaded: LoadedFlow[] = [];
  await using workbench = await openWorkbench(config);
  const folders = await flowFolders(config);
  for (const folder of folders) {
    try {
      const flow = await loadFlow(folder, workbench.load);
      if (flow.kind === 'problems') {
        problems.push(...flow.problems);
        continue;
      }
      const base = `ledge/${config.node}`;
      const clash = findClash(flow.value, { others: loaded, base, folder });
      if (clash !== undefined) problems.push(clash);
      loaded.push(flow.value);
    } catch (error) {
      if (!(error instanceof LedgeError)) throw error;
      const { message } = error;
      problems.push({
        file: folder,
        line: undefined,
        field: '',
        value: undefined,
        expected: message,
      });
    }
  }
  for (const flow of loaded) await closeLoaded(flow);
  return { checked: folders.length, problems };
}
