import { join } from 'node:path';
import type { Outcome, Stage } from '../scenario.ts';
import { dataFilesOf } from './damage.ts';
import { createRig, type Rig } from './rig.ts';
import { pause } from './wait.ts';

const LENGTHS = { short: { turns: 2, total: 800 }, long: { turns: 20, total: 20_000 } };
const RATE_PER_SECOND = 500;
/** Matrix products of each event, so that events wait in the journal when the node is killed. */
const WORK = 8;
/** Some events never arrive: this long after the last one the rest is lost. */
const QUIET_MS = 8_000;
const LIFE_MS = { low: 800, high: 2_000 };

/**
 * Kills a node with a full journal, damages a file of its store, and starts it again: it must open,
 * say what it set aside, lose no more than waited at that moment, and serve what comes after.
 */
export async function runOnDamagedStore(
  stage: Stage,
  damage: (path: string) => string,
): Promise<Outcome> {
  const { turns, total } = LENGTHS[stage.length];
  const data = join(stage.folder, 'data');
  const rig = await createRig(stage, { flows: [{ name: 'busy', model: 'hanging' }], data });
  await rig.node.start();
  const collector = rig.collect();
  await collector.ready(10_000);
  const ratePerSecond = RATE_PER_SECOND;
  const shape = () => ({ extra: WORK });
  rig.publish({ flow: 'busy', publishers: 4, devicesEach: 4, ratePerSecond, total, shape });
  let waited = 0;
  let told = 0;
  let damaged = 0;
  for (let turn = 0; turn < turns; turn += 1) {
    await pause(stage.random.between(LIFE_MS.low, LIFE_MS.high));
    await rig.node.end('SIGKILL');
    await pause(50);
    const { lost } = rig.tally;
    const files = dataFilesOf(join(data, 'store'));
    if (files.length === 0) throw new Error('Cannot damage the store: it has no files');
    const { path } = stage.random.pick(files);
    stage.say(`turn ${turn + 1}: ${lost} wait; ${damage(path)}`);
    damaged += 1;
    waited += lost;
    told += await startAndListen(rig);
  }
  const acknowledged = await rig.settled({ publishMs: 300_000, quietMs: QUIET_MS });
  const { lost } = rig.tally;
  return {
    tally: rig.tally,
    lostMax: waited,
    checks: [
      { what: 'every event was acknowledged in the end', met: acknowledged },
      { what: 'something was told where something was lost', met: lost === 0 || told > 0 },
    ],
    figures: { damaged, 'waited when killed': waited, 'told of damage': told },
  };
}

/** 1 where the node said that something of its store was damaged. */
async function startAndListen({ node }: Rig): Promise<number> {
  const before = node.complaints.length;
  await node.start();
  await pause(300);
  const complaints = node.complaints.slice(before);
  return complaints.some(({ message }) => /damage|set aside|quarantin/i.test(message)) ? 1 : 0;
}
