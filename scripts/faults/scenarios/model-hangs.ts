import type { Scenario } from '../scenario.ts';
import { checkLedger } from '../toolbox/ledger-check.ts';
import { createRig } from '../toolbox/rig.ts';

const LENGTHS = { short: { total: 400, every: 100 }, long: { total: 10_000, every: 250 } };
const TIMEOUT_MS = 500;
/** Products of 256 x 256 matrices: some seconds, and then the abandoned run ends. */
const HANGING = 4_000;

/** Events at which the model does not come back within its time, beside a flow that is well. */
export const modelHangs: Scenario = {
  name: 'model-hangs',
  summary: 'a model that hangs at some events: given up after the retry, the others go on',
  async run(stage) {
    const { total, every } = LENGTHS[stage.length];
    const flows = [
      { name: 'hanging', model: 'hanging', predict: `timeoutMs: ${TIMEOUT_MS}` },
      { name: 'echo' },
    ] as const;
    const rig = await createRig(stage, { flows });
    await rig.node.start();
    const collector = rig.collect();
    await collector.ready(10_000);
    let hanging = 0;
    const load = { publishers: 1, devicesEach: 2, total: total / 2, ratePerSecond: 50 };
    rig.publish({ ...load, flow: 'echo' });
    rig.publish({
      ...load,
      flow: 'hanging',
      shape(_device, number) {
        if (number % every !== every / 2) return {};
        hanging += 1;
        return { extra: HANGING };
      },
    });
    const acknowledged = await rig.settled({ publishMs: 600_000, quietMs: 60_000 });
    const codes = collector.deadLetterCodes;
    const ledger = await checkLedger(rig);
    return {
      tally: rig.tally,
      checks: [
        ledger,
        { what: 'every event was acknowledged', met: acknowledged },
        { what: 'there were events that hang', met: hanging > 0 },
        {
          what: `the ${hanging} that hang were given up by timeout, no other was`,
          met: rig.tally.deadLettered === hanging && (codes.timeout ?? 0) >= hanging,
        },
        { what: 'all others arrived', met: rig.tally.arrived === rig.tally.sent - hanging },
      ],
      figures: { hanging, 'dead letters': rig.tally.deadLettered },
    };
  },
};
