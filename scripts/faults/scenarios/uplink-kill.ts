import type { Scenario } from '../scenario.ts';
import { mosquittoMissing } from '../toolbox/mosquitto.ts';
import { runWithTrouble } from '../toolbox/uplink-run.ts';
import { pause } from '../toolbox/wait.ts';

const LIFE_MS = { low: 300, high: 2_000 };
const CLOSED_MS = { low: 0, high: 1_500 };

/** The node is killed while its uplink comes and goes: what the outbox has goes up afterwards. */
export const uplinkKill: Scenario = {
  name: 'uplink-kill',
  summary: 'kill -9 of the node while its uplink comes and goes',
  missing: mosquittoMissing,
  run: (stage) =>
    runWithTrouble(stage, {
      turns: { short: 2, long: 20 },
      each: 500,
      ratePerSecond: 300,
      async strike({ rig, proxy, connected }, { random }) {
        await pause(random.between(LIFE_MS.low, LIFE_MS.high));
        proxy.treat({ kind: 'closed' });
        await pause(random.between(CLOSED_MS.low, CLOSED_MS.high));
        await rig.node.end('SIGKILL');
        await rig.node.start();
        await pause(random.between(CLOSED_MS.low, CLOSED_MS.high));
        proxy.treat({ kind: 'pass' });
        await connected('up', 60_000);
        return 'killed';
      },
    }),
};
