import type { Outcome, Stage } from '../scenario.ts';
import { checkLedger } from './ledger-check.ts';
import { createRig, type Rig, type RigOptions } from './rig.ts';
import { pause, until } from './wait.ts';

/** A disk that stops taking writes, and takes them again later. */
export interface BreakableDisk {
  readonly rig: Pick<RigOptions, 'data' | 'env'>;
  breakDown(): void;
  mend(): void;
}

const LENGTHS = {
  short: { turns: 1, brokenMs: 3_000, total: 900 },
  long: { turns: 5, brokenMs: 10_000, total: 20_000 },
};
const RATE_PER_SECOND = 300;
const BEFORE_MS = 1_000;
/** What was on its way when the disk broke may still be acknowledged within this. */
const GRACE_MS = 1_000;
/** The node looks for room at most every two seconds. */
const RECOVERY_MS_MAX = 15_000;

/** Load on a node whose disk breaks and recovers: held back, told, and taken up without a restart. */
export async function runOnBreakingDisk(stage: Stage, disk: BreakableDisk): Promise<Outcome> {
  const { turns, brokenMs, total } = LENGTHS[stage.length];
  const rig = await createRig(stage, { flows: [{ name: 'echo' }], ...disk.rig });
  await rig.node.start();
  const pid = rig.node.pid;
  const collector = rig.collect();
  await collector.ready(10_000);
  const ratePerSecond = RATE_PER_SECOND;
  rig.publish({ flow: 'echo', publishers: 4, devicesEach: 2, ratePerSecond, total });
  let acknowledgedWhileBroken = 0;
  let told = 0;
  let slowestMs = 0;
  for (let turn = 0; turn < turns; turn += 1) {
    await pause(BEFORE_MS);
    const before = rig.node.complaints.length;
    disk.breakDown();
    await pause(GRACE_MS);
    const atStart = rig.tally.published;
    await pause(brokenMs);
    acknowledgedWhileBroken += rig.tally.published - atStart;
    if (await isTold(rig, before)) told += 1;
    const stuckAt = rig.tally.published;
    const mendedAt = performance.now();
    disk.mend();
    await until(() => rig.tally.published > stuckAt, { ms: RECOVERY_MS_MAX });
    slowestMs = Math.max(slowestMs, performance.now() - mendedAt);
    stage.say(`turn ${turn + 1}: acknowledgements again after ${Math.round(slowestMs)} ms`);
  }
  const acknowledged = await rig.settled({ publishMs: 180_000, quietMs: 20_000 });
  const samePid = rig.node.pid === pid && rig.node.running;
  const ledger = await checkLedger(rig);
  return {
    tally: rig.tally,
    checks: [
      ledger,
      { what: 'every event was acknowledged in the end', met: acknowledged },
      {
        what: `no acknowledgement while the disk took nothing (${acknowledgedWhileBroken})`,
        met: acknowledgedWhileBroken === 0,
      },
      { what: `the node said so, ${told} of ${turns} times`, met: told === turns },
      {
        what: `it went on within ${RECOVERY_MS_MAX} ms, without a restart`,
        met: slowestMs < RECOVERY_MS_MAX && samePid,
      },
    ],
    figures: {
      turns,
      'acknowledged while broken': acknowledgedWhileBroken,
      'slowest recovery ms': Math.round(slowestMs),
    },
  };
}

/** A warning in the log, or a state of the store in the health page. */
async function isTold({ node }: Rig, before: number): Promise<boolean> {
  const logged = node.complaints
    .slice(before)
    .some(({ level, message }) => level !== 'unknown' && /disk|store|space/i.test(message));
  const health = await node.page<{ readonly store?: { readonly state?: string } }>('/health');
  return logged || health.store?.state === 'failing';
}
