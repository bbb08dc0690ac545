import type { Scenario } from '../scenario.ts';
import { runKills } from '../toolbox/kills.ts';

const LENGTHS = {
  short: { kills: 2, total: 1_000, ratePerSecond: 400 },
  long: { kills: 30, total: 20_000, ratePerSecond: 400 },
};

/** The same at QoS 2, where no event may be in the journal twice. */
export const killNodeQos2: Scenario = {
  name: 'kill-node-qos2',
  summary: 'kill -9 of the node under QoS 2 load: no event is worked on under two ids',
  run: (stage) =>
    runKills(stage, {
      qos: 2,
      ...LENGTHS[stage.length],
      check: ({ tally }, { resultIds }) => [
        {
          what: `each event once into the journal (${resultIds} ids for ${tally.arrived} events)`,
          met: resultIds === tally.arrived,
        },
      ],
    }),
};
