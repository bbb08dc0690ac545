import { access, constants, stat } from 'node:fs/promises';
import { availableParallelism, totalmem } from 'node:os';
import { delimiter, join } from 'node:path';
import type { Board } from '../../devices/board.ts';
import { RECORDERS } from '../../devices/microphone.ts';
import { type Finding, fail, formatBytes, ok, warn } from './finding.ts';

/** As `engines` in package.json. */
const NODE_MAJOR_MIN = 20;
const NODE_MINOR_MIN = 19;
/** Below this an idle node and its workers leave no room for a model. */
const MEMORY_BYTES_MIN = 256 * 1024 * 1024;
/** Ledge was not there before: a clock that says so was never set. */
const YEAR_MIN = 2025;
const TIMESYNC_FOLDER = '/run/systemd/timesync';

/** Whether this Node.js is new enough; `version` as process.versions.node. */
export function checkNode(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const enough = major > NODE_MAJOR_MIN || (major === NODE_MAJOR_MIN && minor >= NODE_MINOR_MIN);
  if (enough) return ok('node', version);
  return fail('node', version, `install Node.js ${NODE_MAJOR_MIN}.${NODE_MINOR_MIN} or later`);
}

/** The board, its memory and its cores. */
export function checkBoard(board: Board, availableBytes: number): Finding[] {
  const budget = formatBytes(board.memoryBudgetBytes);
  const available = `${formatBytes(availableBytes)} of ${formatBytes(totalmem())} available`;
  const memory = `${available}, ${budget} for flows`;
  const stop = 'stop other programs, or choose smaller models';
  const least = Math.min(MEMORY_BYTES_MIN, board.memoryBudgetBytes);
  const cores = `${availableParallelism()} present, ${board.workers} for workers`;
  return [
    ok('board', `${board.title} (${board.name})`),
    availableBytes < least
      ? fail('memory', memory, stop)
      : availableBytes < board.memoryBudgetBytes
        ? warn('memory', memory, stop)
        : ok('memory', memory),
    ok('cores', cores),
  ];
}

/** Whether the providers that the board wants first are in this build of the runtime. */
export function checkProviders(board: Board, available: readonly string[]): Finding {
  const found = available.join(', ');
  const missing = board.providers.filter((name) => !available.includes(name));
  if (!board.providers.some((name) => available.includes(name))) {
    return fail('providers', found || 'none', `the board wants ${board.providers.join(', ')}`);
  }
  if (missing.length === 0) return ok('providers', found);
  const lacking = missing.join(', ');
  const advice = `${lacking} is not in this build of onnxruntime: models run on the rest`;
  return warn('providers', found, advice);
}

/** Whether the clock was set, and by whom; events and results carry its time. */
export async function checkClock(now: Date, folder = TIMESYNC_FOLDER): Promise<Finding> {
  const time = now.toISOString();
  if (now.getUTCFullYear() < YEAR_MIN) {
    return fail('clock', time, 'set the clock, or give the board a battery or a time server');
  }
  const known = await isThere(folder);
  if (!known) return ok('clock', `${time}, synchronisation unknown`);
  if (await isThere(join(folder, 'synchronized'))) return ok('clock', `${time}, synchronised`);
  return warn('clock', `${time}, not synchronised`, 'see timedatectl; times may jump later');
}

/** Which programs are there that record sound, and ffmpeg; `path` as the variable PATH. */
export async function checkPrograms(path: string): Promise<Finding[]> {
  const folders = path.split(delimiter).filter((folder) => folder !== '');
  const found = async (name: string) => {
    for (const folder of folders) if (await isExecutable(join(folder, name))) return name;
    return undefined;
  };
  const names = await Promise.all(RECORDERS.map(found));
  const recorders = names.filter((name) => name !== undefined);
  const advice = 'install alsa-utils or sox to use a microphone of this machine';
  return [
    recorders.length > 0
      ? ok('recorders', recorders.join(', '))
      : warn('recorders', 'none', advice),
    ok('ffmpeg', (await found('ffmpeg')) === undefined ? 'not installed (optional)' : 'installed'),
  ];
}

function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
