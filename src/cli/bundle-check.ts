import { readFile } from 'node:fs/promises';
import { join, resolve, sep } from 'node:path';
import { type FlowFile, flowSchema } from '../flow/schema.ts';
import type { NodeConfig } from '../node/config.ts';
import { closeLoaded } from '../node/flow-load.ts';
import { LedgeError } from '../std/error.ts';
import { formatProblem, parseWith, parseYaml } from '../std/yaml.ts';
import { testFlow } from './commands/flow.ts';
import { loadOrFail, openWorkbench } from './flow-folder.ts';

export interface BundleCheck {
  readonly config: NodeConfig;
  /** Whether the flow's own tests must pass as well. */
  readonly tests: 'run' | 'skip';
}

/**
 * Judges an unpacked flow as `ledge flow` would: every file it names is its own, it compiles with its
 * model, its tests pass on this machine. Throws LedgeError flow-invalid and what loading throws.
 */
export async function checkUnpackedFlow(folder: string, options: BundleCheck): Promise<void> {
  const file = await readFlowFile(folder);
  for (const [field, path] of namedFiles(file)) {
    if (!resolve(folder, path).startsWith(resolve(folder) + sep)) {
      throw new LedgeError('flow-invalid', `${field}: ${JSON.stringify(path)} leaves the flow`);
    }
  }
  if (/\.ya?ml$/.test(file.source.device ?? '')) {
    throw new LedgeError('flow-invalid', 'source.device: a bundle cannot bring a file of a source');
  }
  await using workbench = await openWorkbench(options.config);
  const loaded = await loadOrFail(folder, workbench);
  if (options.tests === 'skip') return closeLoaded(loaded);
  const reports = await testFlow(loaded, folder);
  const failed = reports.filter(({ passed }) => !passed);
  if (failed.length === 0) return;
  const told = failed.map(({ name, differences }) => `${name}: ${differences.join('; ')}`);
  throw new LedgeError('flow-invalid', `Its own tests fail here:\n${told.join('\n')}`);
}

async function readFlowFile(folder: string): Promise<FlowFile> {
  const path = join(folder, 'flow.yaml');
  const yaml = parseYaml(await readFile(path, 'utf8'), path);
  const file = yaml.kind === 'ok' ? parseWith(flowSchema, yaml.value) : yaml;
  if (file.kind === 'ok') return file.value as FlowFile;
  throw new LedgeError('flow-invalid', file.problems.map(formatProblem).join('\n'));
}

/** The paths in a flow file: its models, wherever a step names one, and the events of its tests. */
function namedFiles(file: FlowFile): (readonly [field: string, path: string])[] {
  const models = file.steps.flatMap((step, index) =>
    Object.values(step).flatMap((config) => {
      const model = (config as { model?: unknown } | null)?.model;
      return typeof model === 'string' ? [[`steps.${index}.model`, model] as const] : [];
    }),
  );
  const events = file.tests.flatMap(({ event }, index) =>
    [event].flat().map((path) => [`tests.${index}.event`, path] as const),
  );
  return [...models, ...events];
}
