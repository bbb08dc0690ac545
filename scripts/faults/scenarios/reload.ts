import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Scenario } from '../scenario.ts';
import { openControlClient } from '../toolbox/control.ts';
import { flowText } from '../toolbox/flows.ts';
import { checkLedger } from '../toolbox/ledger-check.ts';
import { createRig } from '../toolbox/rig.ts';
import { pause } from '../toolbox/wait.ts';

const LENGTHS = { short: { reloads: 10, total: 1_500 }, long: { reloads: 100, total: 30_000 } };
const FLOWS = ['one', 'two', 'three'];
const RATE_PER_SECOND = 500;
const BETWEEN_MS = { low: 0, high: 200 };

/** Every flow reloaded again and again under load, by request and by a changed file. */
export const reload: Scenario = {
  name: 'reload',
  summary: 'every flow reloaded again and again under load, by request and by a changed file',
  async run(stage) {
    const { reloads, total } = LENGTHS[stage.length];
    const rig = await createRig(stage, { flows: FLOWS.map((name) => ({ name })) });
    await rig.node.start();
    const collector = rig.collect();
    await collector.ready(10_000);
    const control = await openControlClient(rig.node.port);
    stage.defer(() => control.close());
    const each = { publishers: 1, devicesEach: 4 };
    for (const flow of FLOWS) {
      rig.publish({ ...each, flow, ratePerSecond: RATE_PER_SECOND / 3, total: total / 3 });
    }
    const answers: Record<string, number> = {};
    let underLoad = 0;
    for (let turn = 1; turn <= reloads; turn += 1) {
      await pause(stage.random.between(BETWEEN_MS.low, BETWEEN_MS.high));
      if (turn % 2 === 0) {
        for (const name of FLOWS) {
          writeFileSync(join(rig.flowsFolder, name, 'flow.yaml'), flowText({ name }, `${turn}`));
        }
      }
      if (rig.publishers.some(({ done }) => !done)) underLoad += 1;
      const answer = await control.request('flow/reload', {});
      answers[answer] = (answers[answer] ?? 0) + 1;
    }
    const acknowledged = await rig.settled({ publishMs: 120_000, quietMs: 20_000 });
    const ledger = await checkLedger(rig);
    return {
      tally: rig.tally,
      checks: [
        ledger,
        { what: 'every event was acknowledged', met: acknowledged },
        {
          what: `every reload was answered with ok: ${JSON.stringify(answers)}`,
          met: answers.ok === reloads,
        },
        { what: 'no event was given up', met: rig.tally.deadLettered === 0 },
      ],
      figures: { reloads, 'under load': underLoad },
    };
  },
};
