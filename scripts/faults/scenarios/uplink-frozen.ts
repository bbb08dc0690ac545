import type { Scenario } from '../scenario.ts';
import { mosquittoMissing } from '../toolbox/mosquitto.ts';
import { runWithTrouble } from '../toolbox/uplink-run.ts';
import { pause } from '../toolbox/wait.ts';

const LIFE_MS = { low: 500, high: 1_500 };
const FROZEN_MS = { short: { low: 1_000, high: 6_000 }, long: { low: 1_000, high: 30_000 } };

/** The broker above stops in its tracks (SIGSTOP): connections stay open and nothing answers. */
export const uplinkFrozen: Scenario = {
  name: 'uplink-frozen',
  summary: 'the uplink broker is frozen (SIGSTOP) and thawed',
  missing: mosquittoMissing,
  run: (stage) =>
    runWithTrouble(stage, {
      turns: { short: 2, long: 12 },
      each: 900,
      ratePerSecond: 200,
      async strike({ mosquitto, connected }, { random, length }) {
        await pause(random.between(LIFE_MS.low, LIFE_MS.high));
        const frozenMs = random.between(FROZEN_MS[length].low, FROZEN_MS[length].high);
        mosquitto.signal('SIGSTOP');
        await pause(frozenMs);
        mosquitto.signal('SIGCONT');
        await connected('up', 60_000);
        return `frozen for ${frozenMs} ms`;
      },
    }),
};
