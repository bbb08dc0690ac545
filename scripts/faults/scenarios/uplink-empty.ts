import { connectAsync } from 'mqtt';
import type { Scenario } from '../scenario.ts';
import { mosquittoMissing } from '../toolbox/mosquitto.ts';
import { NODE_NAME } from '../toolbox/node-process.ts';
import type { UplinkRig } from '../toolbox/uplink-rig.ts';
import { runWithTrouble } from '../toolbox/uplink-run.ts';
import { pause, until } from '../toolbox/wait.ts';

const LIFE_MS = { low: 500, high: 1_500 };
const RETAINED = `ledge/${NODE_NAME}/bridge/flows`;

/**
 * The broker above loses everything it had. What it had acknowledged is its own to lose, so the hop
 * is closed first and its subscriber takes what is there; the subscriber is back before the node is.
 */
export const uplinkEmpty: Scenario = {
  name: 'uplink-empty',
  summary: 'the uplink broker comes back with nothing it knew: sessions, retained messages',
  missing: mosquittoMissing,
  run: (stage) =>
    runWithTrouble(stage, {
      turns: { short: 2, long: 20 },
      each: 600,
      ratePerSecond: 300,
      async strike({ mosquitto, proxy, collector, connected, quiet }, { random }) {
        await pause(random.between(LIFE_MS.low, LIFE_MS.high));
        proxy.treat({ kind: 'closed' });
        await quiet();
        await mosquitto.wipe();
        await pause(random.between(LIFE_MS.low, LIFE_MS.high));
        const before = collector.sessionsLost;
        await mosquitto.start();
        await until(() => collector.sessionsLost > before, { ms: 20_000 });
        await collector.ready(20_000);
        proxy.treat({ kind: 'pass' });
        await connected('up', 60_000);
        return 'emptied';
      },
      check: async (parts) => [
        { what: `${RETAINED} is retained again`, met: await hasRetained(parts) },
      ],
    }),
};

/** Whether a fresh subscriber of the broker above finds the node's retained state. */
async function hasRetained({ mosquitto }: UplinkRig): Promise<boolean> {
  const client = await connectAsync(`mqtt://127.0.0.1:${mosquitto.port}`);
  let found = false;
  client.on('message', (_topic, _payload, { retain }) => {
    found ||= retain;
  });
  await client.subscribeAsync(RETAINED, { qos: 1 });
  await until(() => found, { ms: 5_000 });
  await client.endAsync(true);
  return found;
}
