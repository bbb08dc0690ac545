import { readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { loadTrust } from '../bundle/keys.ts';
import { openPool, type Pool } from '../infer/pool.ts';
import type { NodeConfig } from '../node/config.ts';
import type { LoadedFlow } from '../node/flow-load.ts';
import { type LoadContext, loadFlow } from '../node/flow-load.ts';
import { boardOf, flowsFolder } from '../node/node.ts';
import { createPredict } from '../stages/infer/predict.ts';
import { createStages } from '../stages/stages.ts';
import { LedgeError } from '../std/error.ts';
import { formatProblem } from '../std/yaml.ts';

/** What a command needs to compile flows without a node: a pool of one worker, and the stages. */
export interface Workbench extends AsyncDisposable {
  readonly pool: Pool;
  readonly load: LoadContext;
}

/** Opens a workbench with the board's budget and providers. */
export async function openWorkbench(config: NodeConfig): Promise<Workbench> {
  const board = await boardOf(config);
  const trust = await loadTrust(config.trust);
  const pool = await openPool({
    workers: 1,
    intraOpThreads: config.inference.intraOpThreads ?? board.intraOpThreads,
    providers: board.providers,
    precision: board.precision,
    memoryBytesMax: config.inference.memoryBytesMax ?? board.memoryBudgetBytes,
    timeoutMs: config.inference.timeoutMs,
  });
  const stages = createStages({ predict: createPredict(pool) });
  const load = { stages, devices: config.devices, trust };
  return { pool, load, [Symbol.asyncDispose]: () => pool[Symbol.asyncDispose]() };
}

/** The folders of all flows of a configuration, in order of name. */
export async function flowFolders(config: NodeConfig): Promise<string[]> {
  const root = await flowsFolder(config);
  const entries = await readdir(root, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'));
  return names.map(({ name }) => join(root, name)).sort();
}

/** The folder of one flow, given by path or by name. */
export async function findFlow(given: string, config: NodeConfig): Promise<string> {
  const path = await stat(join(given, 'flow.yaml')).catch(() => undefined);
  if (path !== undefined) return resolve(given);
  const folder = join(await flowsFolder(config), given);
  const named = await stat(join(folder, 'flow.yaml')).catch(() => undefined);
  if (named !== undefined) return folder;
  throw new LedgeError('not-found', `There is no flow "${given}": no ${join(folder, 'flow.yaml')}`);
}

/** Loads a flow or fails with all its problems. */
export async function loadOrFail(folder: string, { load }: Workbench): Promise<LoadedFlow> {
  const loaded = await loadFlow(folder, load);
  if (loaded.kind === 'ok') return loaded.value;
  throw new LedgeError('flow-invalid', loaded.problems.map(formatProblem).join('\n'));
}
