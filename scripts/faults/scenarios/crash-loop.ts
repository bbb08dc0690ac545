import type { Scenario } from '../scenario.ts';
import { checkLedger } from '../toolbox/ledger-check.ts';
import { createRig } from '../toolbox/rig.ts';
import { until } from '../toolbox/wait.ts';

const LENGTHS = { short: { total: 200 }, long: { total: 2_000 } };
/** Products of 256 x 256 matrices: more than any life of the node here is long. */
const ENDLESS = 100_000_000;
/** Where nothing comes any more, only the one event is at work. */
const QUIET_MS = 2_500;
/** A node that never gave the event up would be killed for ever. */
const KILLS_MAX = 12;

/** An event that ends the process whenever it is worked on: killed from outside, as a crash would. */
export const crashLoop: Scenario = {
  name: 'crash-loop',
  summary: 'an event at which the whole process ends, at every start: given up, the others go on',
  async run(stage) {
    const { total } = LENGTHS[stage.length];
    const flows = [
      { name: 'hanging', model: 'hanging', predict: 'timeoutMs: 600000' },
      { name: 'echo' },
    ] as const;
    const rig = await createRig(stage, { flows, set: ['inference.timeoutMs=600000'] });
    const { node, tally } = rig;
    await node.start();
    const collector = rig.collect();
    await collector.ready(10_000);
    const load = { publishers: 1, devicesEach: 2, total: total / 2, ratePerSecond: 50 };
    rig.publish({ ...load, flow: 'echo' });
    let crashing = 0;
    rig.publish({
      ...load,
      flow: 'hanging',
      shape(_device, number) {
        if (crashing > 0 || number < total / 8) return {};
        crashing += 1;
        return { extra: ENDLESS };
      },
    });
    let kills = 0;
    while (tally.arrived + tally.deadLettered < total && kills < KILLS_MAX) {
      await untilQuiet(() => tally.arrived + tally.deadLettered, total);
      if (tally.arrived + tally.deadLettered >= total) break;
      await node.end('SIGKILL');
      await node.start();
      kills += 1;
      stage.say(`kill ${kills}: ${tally.arrived} arrived, ${tally.deadLettered} dead letters`);
    }
    const acknowledged = await rig.settled({ publishMs: 60_000, quietMs: 20_000 });
    const codes = collector.deadLetterCodes;
    const ledger = await checkLedger(rig);
    return {
      tally,
      checks: [
        ledger,
        { what: 'every event was acknowledged', met: acknowledged },
        {
          what: 'the one event was given up, no other was',
          met: tally.deadLettered === 1 && (codes['worker-crashed'] ?? 0) === 1,
        },
        { what: 'all others arrived', met: tally.arrived === total - 1 },
      ],
      figures: { 'ends of the process': kills },
    };
  },
};

/** Resolves when the count has stood still for a while, or is complete. */
async function untilQuiet(count: () => number, complete: number): Promise<void> {
  let last = count();
  let since = performance.now();
  await until(
    () => {
      if (count() !== last) {
        last = count();
        since = performance.now();
      }
      return last >= complete || performance.now() - since > QUIET_MS;
    },
    { ms: 60_000 },
  );
}
