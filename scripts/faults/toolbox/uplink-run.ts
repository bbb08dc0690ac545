import type { Check, Outcome, Stage } from '../scenario.ts';
import { checkLedger } from './ledger-check.ts';
import { openUplinkRig, type UplinkRig } from './uplink-rig.ts';

/** One kind of trouble with the broker above the node. */
export interface UplinkTrouble {
  readonly turns: { readonly short: number; readonly long: number };
  /** Events for each turn. */
  readonly each: number;
  readonly ratePerSecond: number;
  /** Where the events are published; `above`: at mosquitto, and they come down. Default: at the node. */
  readonly publish?: 'above';
  /** Makes trouble once, and ends it; gives what it did. */
  strike(parts: UplinkRig, stage: Stage, turn: number): Promise<string>;
  /** Looked at when all is over. */
  check?(parts: UplinkRig): Promise<readonly Check[]>;
}

const LONG_TOTAL_MIN = 20_000;

/** Load on a node while its uplink is in trouble: every result must reach the broker above. */
export async function runWithTrouble(stage: Stage, trouble: UplinkTrouble): Promise<Outcome> {
  const parts = await openUplinkRig(stage);
  const { rig, collector } = parts;
  const turns = trouble.turns[stage.length];
  const total = Math.max(turns * trouble.each, stage.length === 'long' ? LONG_TOTAL_MIN : 0);
  const { ratePerSecond, publish } = trouble;
  const port = publish === 'above' ? parts.mosquitto.port : rig.node.port;
  rig.publish({ flow: 'echo', publishers: 4, devicesEach: 4, ratePerSecond, total, port });
  let queuedMost = 0;
  for (let turn = 1; turn <= turns; turn += 1) {
    const done = await trouble.strike(parts, stage, turn);
    const { queued } = await parts.uplink();
    const waiting = Object.values(queued).reduce((sum, { messages }) => sum + messages, 0);
    queuedMost = Math.max(queuedMost, rig.tally.lost, waiting);
    stage.say(`turn ${turn}: ${done}; ${rig.tally.lost} on the way, outbox ${waiting}`);
  }
  const acknowledged = await rig.settled({ publishMs: 180_000, quietMs: 45_000 });
  const { dropped } = await parts.uplink();
  // Of a state only the latest is kept: that is no loss.
  const gone = Object.values(dropped).flatMap(({ compacted: _, ...reasons }) =>
    Object.values(reasons),
  );
  const further = (await trouble.check?.(parts)) ?? [];
  const ledger = await checkLedger(rig);
  return {
    tally: rig.tally,
    checks: [
      ledger,
      { what: 'every event was acknowledged', met: acknowledged },
      { what: `the outbox dropped nothing: ${JSON.stringify(dropped)}`, met: sumOf(gone) === 0 },
      ...further,
    ],
    figures: { turns, 'most on the way': queuedMost, replayed: collector.replayed },
  };
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0);
}
