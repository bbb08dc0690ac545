import type { Scenario } from '../scenario.ts';
import { runKills } from '../toolbox/kills.ts';

const LENGTHS = {
  short: { kills: 4, total: 2_400, ratePerSecond: 600 },
  long: { kills: 30, total: 24_000, ratePerSecond: 600 },
};

/** kill -9 of the node at random moments under load. */
export const killNode: Scenario = {
  name: 'kill-node',
  summary: 'kill -9 of the node at random moments under QoS 1 load',
  run: (stage) => runKills(stage, { qos: 1, ...LENGTHS[stage.length] }),
};
