import type { Scenario } from '../scenario.ts';
import { checkLedger } from '../toolbox/ledger-check.ts';
import { createRig } from '../toolbox/rig.ts';
import { pause } from '../toolbox/wait.ts';

const LENGTHS = { short: { stops: 2, total: 1_200 }, long: { stops: 20, total: 20_000 } };
const RATE_PER_SECOND = 400;
const DRAIN_SECONDS = 5;
/** Beside the drain: closing the parts on a busy machine. */
const CLOSE_MS = 5_000;
const LIFE_MS = { low: 400, high: 1_500 };
/** Matrix products of each event: the workers are busy, and events wait when the signal comes. */
const WORK = 3;

/** SIGTERM under load, as a service manager does at every update. */
export const sigterm: Scenario = {
  name: 'sigterm',
  summary: 'SIGTERM under load: drains within its limit, loses nothing',
  async run(stage) {
    const { stops, total } = LENGTHS[stage.length];
    const rig = await createRig(stage, {
      flows: [{ name: 'busy', model: 'hanging' }],
      set: [`drainSeconds=${DRAIN_SECONDS}`],
    });
    await rig.node.start();
    const collector = rig.collect();
    await collector.ready(10_000);
    const ratePerSecond = RATE_PER_SECOND;
    const shape = () => ({ extra: WORK });
    rig.publish({ flow: 'busy', publishers: 4, devicesEach: 4, ratePerSecond, total, shape });
    const codes: (number | null)[] = [];
    let slowestMs = 0;
    for (let stop = 0; stop < stops; stop += 1) {
      await pause(stage.random.between(LIFE_MS.low, LIFE_MS.high));
      const { code, tookMs } = await rig.node.end('SIGTERM');
      codes.push(code);
      slowestMs = Math.max(slowestMs, tookMs);
      await rig.node.start();
    }
    const acknowledged = await rig.settled({ publishMs: 120_000, quietMs: 20_000 });
    const ledger = await checkLedger(rig);
    return {
      tally: rig.tally,
      checks: [
        ledger,
        { what: 'every event was acknowledged in the end', met: acknowledged },
        { what: `every stop ended with code 0: ${codes}`, met: codes.every((code) => code === 0) },
        {
          what: `every stop took less than ${DRAIN_SECONDS * 1000 + CLOSE_MS} ms`,
          met: slowestMs < DRAIN_SECONDS * 1000 + CLOSE_MS,
        },
        { what: 'the collector kept its session', met: collector.sessionsLost === 0 },
      ],
      figures: { stops, 'slowest stop ms': Math.round(slowestMs) },
    };
  },
};
