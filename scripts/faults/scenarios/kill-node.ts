import type { Scenario } from '../scenario.ts';
import { createRig } from '../toolbox/rig.ts';
import { pause } from '../toolbox/wait.ts';

const LENGTHS = {
  short: { kills: 4, total: 2_400, ratePerSecond: 600 },
  long: { kills: 30, total: 24_000, ratePerSecond: 600 },
};
const PUBLISHERS = 4;
/** A life of the node under load, before it is killed; some are killed while they start. */
const LIFE_MS = { low: 50, high: 1_600 };
const PATIENCE = { publishMs: 120_000, quietMs: 20_000 };

/** kill -9 of the node at random moments under load. */
export const killNode: Scenario = {
  name: 'kill-node',
  summary: 'kill -9 of the node at random moments under QoS 1 load',
  async run(stage) {
    const { random, say } = stage;
    const { kills, total, ratePerSecond } = LENGTHS[stage.length];
    const rig = await createRig(stage, { flows: [{ name: 'echo' }] });
    await rig.node.start();
    const collector = rig.collect();
    await collector.ready(10_000);
    rig.publish({ flow: 'echo', publishers: PUBLISHERS, devicesEach: 4, ratePerSecond, total });
    let startMs = 0;
    for (let kill = 1; kill <= kills; kill += 1) {
      await pause(random.between(LIFE_MS.low, LIFE_MS.high));
      await rig.node.end('SIGKILL');
      await rig.node.start();
      startMs = Math.max(startMs, rig.node.startMs);
      say(`kill ${kill}: ${rig.tally.published} acknowledged, ${rig.tally.arrived} arrived`);
    }
    const acknowledged = await rig.settled(PATIENCE);
    return {
      tally: rig.tally,
      checks: [
        { what: 'every event was acknowledged in the end', met: acknowledged },
        { what: 'the collector kept its session', met: collector.sessionsLost === 0 },
        { what: `${total} events were published`, met: rig.tally.published >= total },
      ],
      figures: {
        kills,
        'slowest start ms': Math.round(startMs),
        replayed: collector.replayed,
        'sessions lost': collector.sessionsLost,
      },
    };
  },
};
