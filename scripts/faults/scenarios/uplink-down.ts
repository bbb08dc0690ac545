import type { Scenario } from '../scenario.ts';
import { mosquittoMissing } from '../toolbox/mosquitto.ts';
import { runWithTrouble } from '../toolbox/uplink-run.ts';
import { pause } from '../toolbox/wait.ts';

const LIFE_MS = { low: 300, high: 1_500 };
const GONE_MS = { low: 0, high: 500 };

/** Events come down from the broker above while the node is stopped and killed in turn. */
export const uplinkDown: Scenario = {
  name: 'uplink-down',
  summary: 'events come down from the uplink broker; the node is stopped and killed in turn',
  missing: mosquittoMissing,
  run: (stage) =>
    runWithTrouble(stage, {
      turns: { short: 2, long: 20 },
      each: 500,
      ratePerSecond: 300,
      publish: 'above',
      async strike({ rig, connected }, { random }, turn) {
        await pause(random.between(LIFE_MS.low, LIFE_MS.high));
        const signal = turn % 2 === 0 ? 'SIGKILL' : 'SIGTERM';
        await rig.node.end(signal);
        await pause(random.between(GONE_MS.low, GONE_MS.high));
        await rig.node.start();
        await connected('up', 60_000);
        return signal;
      },
    }),
};
