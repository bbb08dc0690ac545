import { join } from 'node:path';
import type { Scenario } from '../scenario.ts';
import { checkLedger } from '../toolbox/ledger-check.ts';
import { diskBytesOf, handlesOf, residentBytesOf } from '../toolbox/process-figures.ts';
import { createRig } from '../toolbox/rig.ts';
import { createSeries } from '../toolbox/slope.ts';
import { pause, until } from '../toolbox/wait.ts';

const RATE_PER_SECOND = 300;
const SAMPLE_MS = 1_000;
const MIB = 1024 * 1024;
/**
 * Before anything is judged: code is compiled, and V8 lets the heap grow to what suits it, which takes
 * some 60,000 events. At the steady rate that alone would look like a leak for minutes.
 */
const WARM_UP = { ratePerSecond: 1_500, short: 3_000, long: 90_000 };
const WARM_UP_MS_MAX = 600_000;
/** The first part of the steady load: what the warm-up left is collected. */
const SETTLING_SHARE = 0.1;
/** A shorter soak shows how to run one: its heaps are still finding their size. */
const JUDGED_MINUTES_MIN = 5;
/** Growth over the judged part that garbage collection and compaction explain. */
const RESIDENT_GROWTH_MIB_MAX = 24;
const DISK_GROWTH_MIB_MAX = 16;
const HANDLES_GROWTH_MAX = 4;
/** A publisher comes back with its session now and then, as devices do. */
const RECONNECT_EVERY = 15;

/** Steady load for a while: memory, handles and disk stay flat. */
export const soak: Scenario = {
  name: 'soak',
  summary: 'steady load for --minutes: memory, handles and disk stay flat',
  async run(stage) {
    const seconds = stage.minutes * 60;
    const short = stage.minutes < JUDGED_MINUTES_MIN;
    const data = join(stage.folder, 'data');
    const rig = await createRig(stage, { flows: [{ name: 'echo' }], data });
    await rig.node.start();
    const collector = rig.collect();
    await collector.ready(10_000);
    const load = { publishers: 4, devicesEach: 8, ratePerSecond: RATE_PER_SECOND };
    const { ratePerSecond } = WARM_UP;
    rig.publish({ flow: 'echo', ...load, ratePerSecond, total: WARM_UP[stage.length] });
    await until(() => rig.publishers.every(({ done }) => done), { ms: WARM_UP_MS_MAX });
    stage.say(`warm: ${Math.round(residentBytesOf(rig.node.pid) / MIB)} MiB`);
    const publishers = rig.publish({ flow: 'echo', ...load, total: Number.MAX_SAFE_INTEGER });
    const resident = createSeries();
    const handles = createSeries();
    const disk = createSeries();
    const startedAt = performance.now();
    for (let sample = 0; ; sample += 1) {
      const at = (performance.now() - startedAt) / 1000;
      if (at > seconds) break;
      resident.add(at, residentBytesOf(rig.node.pid) / MIB);
      handles.add(at, handlesOf(rig.node.pid));
      disk.add(at, diskBytesOf(data) / MIB);
      if (sample % RECONNECT_EVERY === 0) stage.random.pick(publishers).link.cut();
      if (sample % 60 === 0) stage.say(`${Math.round(at)} s: ${resident.last().toFixed(0)} MiB`);
      await pause(SAMPLE_MS);
    }
    for (const publisher of publishers) publisher.halt();
    const acknowledged = await rig.settled({ publishMs: 30_000, quietMs: 20_000 });
    const from = seconds * SETTLING_SHARE;
    const judged = seconds - from;
    const grown = (series: typeof resident) => series.slope(from) * judged;
    const hourly = (series: typeof resident) => Math.round(series.slope(from) * 36_000) / 10;
    const ledger = await checkLedger(rig);
    return {
      tally: rig.tally,
      checks: [
        ledger,
        { what: 'every event was acknowledged', met: acknowledged },
        {
          what: `memory grew by less than ${RESIDENT_GROWTH_MIB_MAX} MiB`,
          met: short || grown(resident) < RESIDENT_GROWTH_MIB_MAX,
        },
        {
          what: `handles grew by less than ${HANDLES_GROWTH_MAX}`,
          met: grown(handles) < HANDLES_GROWTH_MAX,
        },
        {
          what: `the data folder grew by less than ${DISK_GROWTH_MIB_MAX} MiB`,
          met: short || grown(disk) < DISK_GROWTH_MIB_MAX,
        },
      ],
      figures: {
        minutes: stage.minutes,
        'memory MiB': Math.round(resident.last()),
        'memory MiB/h': hourly(resident),
        handles: handles.last(),
        'handles/h': hourly(handles),
        'disk MiB': Math.round(disk.last() * 10) / 10,
        'disk MiB/h': hourly(disk),
      },
    };
  },
};
