import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { loadTrust } from '../bundle/keys.ts';
import { recoverInstalls } from '../bundle/recover.ts';
import { type Board, detectBoard, loadBoard } from '../devices/board.ts';
import { readTemperature } from '../devices/thermometer.ts';
import { openPool, type Pool } from '../infer/pool.ts';
import { createPredict } from '../stages/infer/predict.ts';
import { createStages } from '../stages/stages.ts';
import { systemClock } from '../std/clock.ts';
import { LedgeError } from '../std/error.ts';
import { packagePath, packageVersion } from '../std/package.ts';
import { createTeardown, type Teardown } from '../std/teardown.ts';
import { makeFolder } from '../store/make-folder.ts';
import type { Pages } from '../web/server.ts';
import { NAME, type NodeConfig } from './config.ts';
import { type Control, openControl } from './control.ts';
import type { LoadContext } from './flow-load.ts';
import type { FlowStatus } from './flow-status.ts';
import { type Flows, type FlowsOptions, openFlows } from './flows.ts';
import { type LaddersOptions, openLadders } from './ladders.ts';
import { type NodeLedger, openLedger } from './ledger.ts';
import { createLog, type Log, type LogLine } from './log.ts';
import { openNodeAccess } from './open-access.ts';
import { openBus } from './open-bus.ts';
import { openIntegrations } from './open-integrations.ts';
import { openMicrophones } from './open-microphones.ts';
import { openKept } from './open-store.ts';
import { openTeach } from './open-teach.ts';
import { openNodeUplink } from './open-uplink.ts';
import { openWeb } from './open-web.ts';
import { createStatus, type Status } from './status.ts';

/** A node at work. Disposing it drains what is in flight and closes everything in reverse order. */
export interface LedgeNode extends AsyncDisposable {
  readonly name: string;
  /** Where MQTT clients connect. */
  readonly mqtt: string;
  /** Where they connect with TLS. */
  readonly mqtts: string | undefined;
  readonly http: string | undefined;
  readonly board: Board;
  flows(): readonly FlowStatus[];
}

/** Opens every part in order; what is open is closed again where a later part fails. */
export async function openNode(
  config: NodeConfig,
  write: (line: LogLine) => void,
): Promise<LedgeNode> {
  const teardown = createTeardown();
  let control: Control | undefined;
  let ledger: NodeLedger | undefined;
  const log = createLog(config.log.level, (line) => {
    write(line);
    control?.log(line);
  });
  const base = `ledge/${config.node}`;
  try {
    await prepareDataFolder(config.data);
    const board = await boardOf(config);
    const pool = await openPoolFor(board, config);
    teardown.add('the inference pool', () => pool[Symbol.asyncDispose]());
    const access = await openNodeAccess(config, log);
    teardown.add('users and rules', () => access[Symbol.dispose]());
    const { store, journal, trial } = await openKept(config, { log, teardown });
    const bus = await openBus(config, { base, access, log, store, teardown });
    // Before the flows, so that it takes their results; closed after them.
    const uplink = await openNodeUplink(config, { bus, store, log, teardown });
    teardown.add('the ledger', () => ledger?.close());
    const onChange = (kind: string, name: string) => control?.changed(kind, name);
    const parts = { bus, journal, trial, pool, log, onChange };
    const { flows, folder, load } = await openNodeFlows(config, parts);
    teardown.add('the flows', () => flows[Symbol.asyncDispose]());
    const counters = { bus, store, journal, flows, uplink, base, clock: systemClock, log };
    const opened = await openLedger(counters);
    ledger = opened;
    const version = packageVersion();
    const shown = { node: config.node, version, bus, board, pool, flows, store, journal };
    const status = createStatus(shown);
    teardown.add('the status', () => status.close());
    const healthMs = config.health.intervalSeconds * 1e3;
    const told = { bus, base, flows, status, ledger: opened, clock: systemClock, log, healthMs };
    const topics = await openControl(told);
    control = topics;
    teardown.add('the control topics', () => topics.close());
    // Only now: what a broker kept for the node, and the first client's event, must find the flows.
    await bus.start();
    uplink?.start().catch((error: unknown) => log.error('Uplink', { error: String(error) }));
    flows.begin();
    const shared = { bus, clock: systemClock, log, teardown, flows, control: topics };
    const readCelsius = openNodeLadders(config, board, shared);
    await openIntegrations(config, { ...shared, base, version, readCelsius });
    openTeach({ ...shared, folder, bench: { pool, load } });
    openMicrophones(config, { ...shared, status });
    const pages = pagesOf(status, flows);
    const web = await openWeb(config, { access, bus, log, pages, teardown });
    // The first step of a stop: an event that comes from now on would find no flow.
    teardown.add('the way in', () => {
      bus.hold();
      uplink?.hold();
    });
    return {
      name: config.node,
      mqtt: bus.address,
      mqtts: bus.kind === 'embedded' ? bus.tlsAddress : undefined,
      http: web?.address,
      board,
      flows: () => flows.list(),
      [Symbol.asyncDispose]: () => teardown.run(),
    };
  } catch (error) {
    await teardown.run();
    throw error;
  }
}

async function openNodeFlows(
  config: NodeConfig,
  parts: Pick<FlowsOptions['runner'], 'bus' | 'journal' | 'trial'> &
    Pick<FlowsOptions, 'log' | 'onChange'> & { readonly pool: Pool },
): Promise<{ flows: Flows; folder: string; load: LoadContext }> {
  const { bus, journal, trial, pool, log, onChange } = parts;
  const folder = await prepareFlows(config, log);
  const load = {
    stages: createStages({ predict: createPredict(pool) }),
    devices: config.devices,
    trust: await loadTrust(config.trust),
  };
  const flows = await openFlows({
    folder,
    stateFolder: join(config.data, 'state'),
    load,
    runner: { bus, clock: systemClock, base: `ledge/${config.node}`, journal, trial },
    clock: systemClock,
    log,
    drainMs: config.drainSeconds * 1e3,
    onChange,
  });
  return { flows, folder, load };
}

/** Lets flows step down their models' ladders; gives how the machine's heat is read. */
function openNodeLadders(
  { ladder: config }: NodeConfig,
  { throttleAtCelsius }: Board,
  parts: Pick<LaddersOptions, 'flows' | 'control' | 'clock' | 'log'> & { teardown: Teardown },
): LaddersOptions['readCelsius'] {
  const readCelsius = () => readTemperature(config.thermalFolder);
  const ladders = openLadders({ ...parts, config, throttleAtCelsius, readCelsius });
  parts.teardown.add('the ladders', () => ladders.close());
  return readCelsius;
}

function pagesOf(status: Status, flows: Flows): Pages {
  return {
    '/health': () => status.health(),
    '/info': () => status.info(),
    '/flows': () => ({ flows: flows.list() }),
    '/devices': () => status.devices(),
  };
}

function openPoolFor(board: Board, config: NodeConfig): Promise<Pool> {
  const { workers, intraOpThreads, memoryBytesMax, timeoutMs } = config.inference;
  return openPool({
    workers: workers ?? board.workers,
    intraOpThreads: intraOpThreads ?? board.intraOpThreads,
    providers: board.providers,
    precision: board.precision,
    memoryBytesMax: memoryBytesMax ?? board.memoryBudgetBytes,
    timeoutMs,
  });
}

/** The board that was asked for, an own one of `<devices>/boards` first, or the one found. */
export async function boardOf(config: Pick<NodeConfig, 'board' | 'devices'>): Promise<Board> {
  const { board, devices } = config;
  if (board === undefined) return detectBoard();
  if (devices === undefined || !NAME.test(board)) return loadBoard(board);
  const own = join(devices, 'boards', `${board}.yaml`);
  const found = await stat(own).catch(() => undefined);
  return loadBoard(found?.isFile() ? own : board);
}

/** The configured flows folder, else ./flows where it is there, else the package's own. */
export async function flowsFolder(config: Pick<NodeConfig, 'flows'>): Promise<string> {
  if (config.flows !== undefined) {
    const folder = resolve(config.flows);
    const found = await stat(folder).catch(() => undefined);
    if (found?.isDirectory()) return folder;
    throw new LedgeError('config-invalid', `Cannot read the flows: ${folder} is no folder`, {
      context: { field: 'flows', value: config.flows },
    });
  }
  const local = await stat('flows').catch(() => undefined);
  return local?.isDirectory() ? resolve('flows') : packagePath('flows');
}

/** The folder of flows, put in order after an install that was cut off. */
async function prepareFlows(config: NodeConfig, log: Log): Promise<string> {
  const folder = await flowsFolder(config);
  const restored = await recoverInstalls(folder);
  if (restored.length > 0) log.warn('Put back flows whose install was cut off', { restored });
  return folder;
}

async function prepareDataFolder(folder: string): Promise<void> {
  try {
    await makeFolder(folder);
    await access(folder, constants.W_OK);
  } catch (error) {
    const text = `Cannot write to the data folder ${resolve(folder)}: ${(error as Error).message}`;
    throw new LedgeError('data-unwritable', text, { context: { field: 'data', value: folder } });
  }
}
