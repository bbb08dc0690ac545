import type { Scenario } from '../scenario.ts';
import { checkLedger } from '../toolbox/ledger-check.ts';
import { createRig } from '../toolbox/rig.ts';
import { createSteppingClock, steppingClockMissing } from '../toolbox/stepping-clock.ts';
import { pause } from '../toolbox/wait.ts';

const LENGTHS = { short: { steps: 4, total: 1_200 }, long: { steps: 30, total: 20_000 } };
const RATE_PER_SECOND = 400;
const HOUR = 3600;
const STEPS = [
  HOUR,
  -HOUR,
  24 * HOUR,
  -24 * HOUR,
  365 * 24 * HOUR,
  -20 * 365 * 24 * HOUR,
  1,
  -1,
  0,
];
/** The library reads its file once a second. */
const BETWEEN_MS = { low: 1_100, high: 1_800 };
const EVERY_KILL = 4;
/** The longest deadline: it is counted from the arrival and must not see the step. */
const SOURCE = ['deadlineMs: 60000'];

/** The system clock is set back and forth under load, also while the node is down. */
export const clockStep: Scenario = {
  name: 'clock-step',
  summary: 'the system clock is set back and forth under load (libfaketime), over restarts too',
  missing: steppingClockMissing,
  async run(stage) {
    const { steps, total } = LENGTHS[stage.length];
    const clock = createSteppingClock(stage.folder);
    const flows = [{ name: 'echo', source: SOURCE }];
    const rig = await createRig(stage, { flows, env: clock.env });
    await rig.node.start();
    const collector = rig.collect();
    await collector.ready(10_000);
    const ratePerSecond = RATE_PER_SECOND;
    rig.publish({ flow: 'echo', publishers: 4, devicesEach: 2, ratePerSecond, total });
    let farthestMs = 0;
    for (let step = 1; step <= steps; step += 1) {
      await pause(stage.random.between(BETWEEN_MS.low, BETWEEN_MS.high));
      const seconds = stage.random.pick(STEPS);
      clock.step(seconds);
      if (step % EVERY_KILL === 0) {
        await rig.node.end('SIGKILL');
        await rig.node.start();
      } else await pause(BETWEEN_MS.low);
      const { ts } = await rig.node.page<{ ts: number }>('/health');
      farthestMs = Math.max(farthestMs, Math.abs(ts - Date.now()));
      stage.say(`step ${step}: ${seconds} s, the node says ${new Date(ts).toISOString()}`);
    }
    const acknowledged = await rig.settled({ publishMs: 120_000, quietMs: 20_000 });
    const ledger = await checkLedger(rig);
    return {
      tally: rig.tally,
      checks: [
        ledger,
        { what: 'every event was acknowledged in the end', met: acknowledged },
        { what: 'the clock of the node was set', met: farthestMs > 1_000 },
        { what: 'no event expired', met: (rig.tally.dropped.expired ?? 0) === 0 },
        { what: 'no two events had one id', met: collector.resultIds >= rig.tally.arrived },
      ],
      figures: { steps, 'farthest off h': Math.round(farthestMs / HOUR / 1000) },
    };
  },
};
