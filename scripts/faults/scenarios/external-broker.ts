import type { Scenario } from '../scenario.ts';
import { openExternalRig } from '../toolbox/external-rig.ts';
import { checkLedger } from '../toolbox/ledger-check.ts';
import { mosquittoMissing } from '../toolbox/mosquitto.ts';
import { pause } from '../toolbox/wait.ts';

const LENGTHS = { short: { ends: 2, total: 1_000 }, long: { ends: 20, total: 20_000 } };
const RATE_PER_SECOND = 400;
const LIFE_MS = { low: 400, high: 1_500 };
const GONE_MS = { low: 0, high: 500 };

/** The node works on a broker that is not its own, and is stopped and killed in turn. */
export const externalBroker: Scenario = {
  name: 'external-broker',
  summary: 'SIGTERM and kill -9 in turn of a node on a mosquitto, which keeps what comes meanwhile',
  missing: mosquittoMissing,
  async run(stage) {
    const { ends, total } = LENGTHS[stage.length];
    const { rig, port } = await openExternalRig(stage, { flows: [{ name: 'echo' }] });
    const load = { publishers: 4, devicesEach: 4, ratePerSecond: RATE_PER_SECOND, total };
    rig.publish({ flow: 'echo', port, ...load });
    for (let end = 0; end < ends; end += 1) {
      await pause(stage.random.between(LIFE_MS.low, LIFE_MS.high));
      await rig.node.end(end % 2 === 0 ? 'SIGTERM' : 'SIGKILL');
      await pause(stage.random.between(GONE_MS.low, GONE_MS.high));
      await rig.node.start();
    }
    const acknowledged = await rig.settled({ publishMs: 120_000, quietMs: 20_000 });
    const ledger = await checkLedger(rig);
    return {
      tally: rig.tally,
      checks: [ledger, { what: 'every event was acknowledged', met: acknowledged }],
      figures: { ends },
    };
  },
};
