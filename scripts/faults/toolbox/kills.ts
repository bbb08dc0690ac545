import type { Check, Outcome, Stage } from '../scenario.ts';
import type { Collector } from './collector.ts';
import { checkLedger } from './ledger-check.ts';
import { createRig, type Rig } from './rig.ts';
import { pause, until } from './wait.ts';

export interface Kills {
  readonly qos: 1 | 2;
  readonly kills: number;
  readonly total: number;
  readonly ratePerSecond: number;
  /** Looked at when all is over. */
  check?(rig: Rig, collector: Collector): readonly Check[];
}

const PUBLISHERS = 4;
/** From the point of the load at which a kill is due to the kill itself. */
const LATER_MS = { low: 0, high: 300 };
/** Some lives end right after the start, while what the journal kept is worked off. */
const EARLY = { chance: 0.25, ms: { low: 0, high: 400 } };
/** A life that gets nowhere is ended all the same. */
const LIFE_MS_MAX = 20_000;
const PATIENCE = { publishMs: 180_000, quietMs: 20_000 };

/** kill -9 of the node, spread at random over a load. */
export async function runKills(stage: Stage, options: Kills): Promise<Outcome> {
  const { random, say } = stage;
  const { kills, total, ratePerSecond, qos } = options;
  const rig = await createRig(stage, { flows: [{ name: 'echo' }] });
  await rig.node.start();
  const collector = rig.collect({ qos });
  await collector.ready(10_000);
  rig.publish({ flow: 'echo', publishers: PUBLISHERS, devicesEach: 4, ratePerSecond, total, qos });
  let startMs = 0;
  for (let kill = 1; kill <= kills; kill += 1) {
    const due = ((kill - random.next()) * total) / kills;
    const early = kill > 1 && random.next() < EARLY.chance;
    if (!early) await until(() => rig.tally.published >= due, { ms: LIFE_MS_MAX });
    const { low, high } = early ? EARLY.ms : LATER_MS;
    await pause(random.between(low, high));
    await rig.node.end('SIGKILL');
    await rig.node.start();
    startMs = Math.max(startMs, rig.node.startMs);
    say(`kill ${kill}: ${rig.tally.published} acknowledged, ${rig.tally.arrived} arrived`);
  }
  const acknowledged = await rig.settled(PATIENCE);
  const ledger = await checkLedger(rig);
  return {
    tally: rig.tally,
    checks: [
      ledger,
      { what: 'every event was acknowledged in the end', met: acknowledged },
      { what: 'the collector kept its session', met: collector.sessionsLost === 0 },
      { what: `${total} events were published`, met: rig.tally.published >= total },
      ...(options.check?.(rig, collector) ?? []),
    ],
    figures: {
      kills,
      'slowest start ms': Math.round(startMs),
      replayed: collector.replayed,
      'duplicates under an id of their own': collector.resultIds - rig.tally.arrived,
    },
  };
}
