import type { Scenario } from '../scenario.ts';
import { checkLedger } from '../toolbox/ledger-check.ts';
import { createRig } from '../toolbox/rig.ts';
import { pause } from '../toolbox/wait.ts';
import { WORKER_KILLED, writeWorkerFaults } from '../toolbox/worker-faults.ts';

const LENGTHS = { short: { kills: 5, total: 2_500 }, long: { kills: 50, total: 20_000 } };
const RATE_PER_SECOND = 800;
/** Longer than a retry takes: what is ended twice counts as poisonous. */
const BETWEEN_MS = { low: 400, high: 900 };

/** Inference workers ended in the middle of a batch. */
export const workerKilled: Scenario = {
  name: 'worker-killed',
  summary: 'inference workers ended in the middle of a batch',
  async run(stage) {
    const { kills, total } = LENGTHS[stage.length];
    const nodeArgs = writeWorkerFaults(stage.folder);
    const rig = await createRig(stage, { flows: [{ name: 'echo' }], nodeArgs });
    await rig.node.start();
    const collector = rig.collect();
    await collector.ready(10_000);
    const ratePerSecond = RATE_PER_SECOND;
    rig.publish({ flow: 'echo', publishers: 4, devicesEach: 4, ratePerSecond, total });
    for (let kill = 0; kill < kills; kill += 1) {
      await pause(stage.random.between(BETWEEN_MS.low, BETWEEN_MS.high));
      rig.node.signal('SIGUSR2');
    }
    const acknowledged = await rig.settled({ publishMs: 120_000, quietMs: 20_000 });
    const killed = rig.node.complaints.filter(({ message }) => message === WORKER_KILLED).length;
    const ledger = await checkLedger(rig);
    return {
      tally: rig.tally,
      checks: [
        ledger,
        { what: 'every event was acknowledged', met: acknowledged },
        { what: 'workers were ended in a run', met: killed > 0 },
        { what: 'no event was given up', met: rig.tally.deadLettered === 0 },
      ],
      figures: { 'workers ended': killed },
    };
  },
};
