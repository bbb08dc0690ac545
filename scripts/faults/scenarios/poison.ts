import type { Scenario } from '../scenario.ts';
import { POISON } from '../toolbox/event.ts';
import { checkLedger } from '../toolbox/ledger-check.ts';
import { createRig } from '../toolbox/rig.ts';
import { writeWorkerFaults } from '../toolbox/worker-faults.ts';

const LENGTHS = { short: 1_000, long: 20_000 };
const RATE_PER_SECOND = 500;
/** One event of each device in so many is poisonous. */
const EVERY = 100;

/** Events that crash their worker every time they are tried. */
export const poison: Scenario = {
  name: 'poison',
  summary: 'events that crash their worker every time: given up after the retry, the others go on',
  async run(stage) {
    const total = LENGTHS[stage.length];
    const nodeArgs = writeWorkerFaults(stage.folder);
    const rig = await createRig(stage, { flows: [{ name: 'echo' }], nodeArgs });
    await rig.node.start();
    const collector = rig.collect();
    await collector.ready(10_000);
    let poisonous = 0;
    rig.publish({
      flow: 'echo',
      publishers: 4,
      devicesEach: 2,
      ratePerSecond: RATE_PER_SECOND,
      total,
      shape(_device, number) {
        if (number % EVERY !== EVERY / 2) return {};
        poisonous += 1;
        return { mark: POISON };
      },
    });
    const acknowledged = await rig.settled({ publishMs: 180_000, quietMs: 20_000 });
    const { deadLetterCodes } = collector;
    const crashed = deadLetterCodes['worker-crashed'] ?? 0;
    const ledger = await checkLedger(rig);
    return {
      tally: rig.tally,
      checks: [
        ledger,
        { what: 'every event was acknowledged', met: acknowledged },
        { what: 'there were poisonous events', met: poisonous > 0 },
        {
          what: `the ${poisonous} poisonous events were given up, no other was`,
          met: rig.tally.deadLettered === poisonous && crashed >= poisonous,
        },
        { what: 'all others arrived', met: rig.tally.arrived === rig.tally.sent - poisonous },
      ],
      figures: { poisonous, 'dead letters': rig.tally.deadLettered },
    };
  },
};
