import { decodeMsgpack, encodeMsgpack } from '../std/msgpack.ts';
import { z } from '../std/schema.ts';
import type { Journal } from './journal.ts';
import { bySource, emptyFlow, type FlowLedger, type Ledger, reconcile } from './ledger.ts';
import type { OutboxClass } from './outbox-class.ts';
import { readOutbox } from './outbox-read.ts';
import { forEachClass } from './outbox-record.ts';
import type { Store, Write } from './store.ts';

const AREA = 'ledger/flow/';
/** A flow that was in the journal, and in no ledger. */
const UNKNOWN_SOURCE = 'unknown';

const count = z.int().min(0);

const flowSchema = z.strictObject({
  source: z.string().max(256),
  received: count,
  recovered: count,
  inJournal: count,
  queued: count,
  inFlight: count,
  emitted: count,
  held: count,
  deadLettered: count,
  dropped: z.record(z.string().max(64), count),
  returned: count,
  interrupted: count,
});

/** The change that keeps the counters of one flow. */
export function keepFlow(name: string, flow: FlowLedger): Write {
  return { kind: 'put', key: AREA + name, value: encodeMsgpack(flow) };
}

/** The counters of every flow that the store or the journal knows, as a new run begins with them. */
export async function readFlowLedgers(
  store: Store,
  journal: Pick<Journal, 'count' | 'flows'>,
  onDamaged: (key: string, error: unknown) => void,
): Promise<ReadonlyMap<string, FlowLedger>> {
  const flows = new Map<string, FlowLedger>();
  for await (const [key, value] of store.entries(AREA)) {
    const name = key.slice(AREA.length);
    try {
      flows.set(name, reconcile(flowSchema.parse(decodeMsgpack(value)), journal.count(name)));
    } catch (error) {
      onDamaged(key, error);
    }
  }
  for (const name of journal.flows()) {
    if (flows.has(name)) continue;
    flows.set(name, reconcile(emptyFlow(UNKNOWN_SOURCE), journal.count(name)));
  }
  return flows;
}

/** The whole ledger of a node that does not run. */
export async function readLedger(
  store: Store,
  journal: Pick<Journal, 'count' | 'flows'>,
): Promise<Ledger> {
  const damaged: string[] = [];
  const read = await readFlowLedgers(store, journal, (key) => damaged.push(key));
  const { indexes, counts } = await readOutbox(store, (key) => damaged.push(key));
  const used = Object.values(counts).some(({ emitted }) => emitted > 0);
  const uplink = forEachClass((name: OutboxClass) => {
    const { emitted, acked, dropped } = counts[name];
    return { emitted, acked, queued: indexes[name].messages, dropped };
  });
  const flows = Object.fromEntries(read);
  return { flows, sources: bySource(flows), ...(used && { uplink }) };
}
