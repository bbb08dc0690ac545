import type { Scenario } from '../scenario.ts';
import { mosquittoMissing } from '../toolbox/mosquitto.ts';
import { runWithTrouble } from '../toolbox/uplink-run.ts';
import { pause } from '../toolbox/wait.ts';

const LIFE_MS = { low: 500, high: 1_500 };
const GONE_MS = { low: 500, high: 4_000 };

/** The broker above is stopped and comes back with its sessions. */
export const uplinkStopped: Scenario = {
  name: 'uplink-stopped',
  summary: 'the uplink broker is stopped for a while, and comes back as it was',
  missing: mosquittoMissing,
  run: (stage) =>
    runWithTrouble(stage, {
      turns: { short: 2, long: 20 },
      each: 600,
      ratePerSecond: 300,
      async strike({ mosquitto, connected }, { random }) {
        await pause(random.between(LIFE_MS.low, LIFE_MS.high));
        await mosquitto.stop();
        const goneMs = random.between(GONE_MS.low, GONE_MS.high);
        await pause(goneMs);
        await mosquitto.start();
        await connected('up', 60_000);
        return `stopped for ${goneMs} ms`;
      },
    }),
};
