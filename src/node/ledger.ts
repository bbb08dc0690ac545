import { isDeepStrictEqual } from 'node:util';
import type { Bus } from '../bus/bus.ts';
import type { Uplink } from '../bus/uplink/uplink.ts';
import type { Clock } from '../std/clock.ts';
import type { Journal } from '../store/journal.ts';
import {
  bySource,
  emptyFlow,
  type FlowLedger,
  type Ledger,
  type LedgerProblem,
  verifyLedger,
} from '../store/ledger.ts';
import { keepFlow, readFlowLedgers } from '../store/ledger-read.ts';
import { forEachClass } from '../store/outbox-record.ts';
import type { Store, Write } from '../store/store.ts';
import type { FlowRunner } from './flow-runner.ts';
import type { Flows } from './flows.ts';
import { sayLastWord } from './last-word.ts';
import type { Log } from './log.ts';
import { createCounts, type WireCounts } from './wire.ts';

/** A crash takes the counts of so long; what they counted is in the journal all the same. */
const SAVE_MS = 1_000;
/** At most one retained message in so long: each is written to disk. */
const TELL_MS = 5_000;
/** A sum that is off for so many looks is no passing state: it is kept as it is. */
const LOOKS_MAX = 10;

/** The ledger as it is told, with what is wrong with it. */
export interface LedgerReport extends Ledger {
  readonly ts: number;
  readonly problems: readonly LedgerProblem[];
}

/** Counters of every flow, source and class over all runs, kept on disk. */
export interface NodeLedger {
  report(): LedgerReport;
  /** Tells and keeps the last word. */
  close(): Promise<void>;
}

export interface LedgerOptions {
  readonly bus: Bus;
  readonly store: Store;
  readonly journal: Journal;
  readonly flows: Flows;
  readonly uplink: Uplink | undefined;
  /** `ledge/<node>`. */
  readonly base: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** Opens the ledger, after the flows and before the first event. */
export async function openLedger(options: LedgerOptions): Promise<NodeLedger> {
  const { bus, store, flows, clock, log } = options;
  const before = await readFlowLedgers(store, options.journal, (key, error) =>
    log.error('Set aside counters that cannot be read', { key, error: String(error) }),
  );
  const runners = new Map<string, FlowRunner>();
  const kept = new Map<string, FlowLedger>(before);
  const off = new Map<string, number>();
  let told: Ledger | undefined;

  function read(): Ledger {
    // A runner that is stopping is in no list any more, and still has its queue.
    for (const runner of flows.runners()) runners.set(runner.loaded.parts.name, runner);
    const counts = flows.counts();
    const names = [...new Set([...before.keys(), ...counts.keys()])].sort();
    const all: Record<string, FlowLedger> = {};
    for (const name of names) {
      const begin = before.get(name) ?? emptyFlow('any');
      const run = { counts: counts.get(name) ?? createCounts(), runner: runners.get(name) };
      all[name] = flowLedgerOf(begin, run, bus.kind);
    }
    return { flows: all, sources: bySource(all), ...uplinkLedgerOf(options.uplink) };
  }

  /** What changed, unless it is between two counters this very moment. */
  function changes({ flows: all }: Ledger): Write[] {
    return Object.entries(all).flatMap(([name, flow]) => {
      const wrong = verifyLedger({ flows: { [name]: flow }, sources: {} }).length > 0;
      const looks = wrong ? (off.get(name) ?? 0) + 1 : 0;
      off.set(name, looks);
      if (isDeepStrictEqual(kept.get(name), flow) || (wrong && looks < LOOKS_MAX)) return [];
      kept.set(name, flow);
      return [keepFlow(name, flow)];
    });
  }

  async function save(): Promise<void> {
    const writes = changes(read());
    try {
      if (writes.length > 0) await store.write(writes);
    } catch (error) {
      log.debug('Cannot keep the ledger', { error: String(error) });
    }
  }

  function report(): LedgerReport {
    const ledger = read();
    return { ts: clock.now(), ...ledger, problems: verifyLedger(ledger) };
  }

  async function tell(): Promise<void> {
    const { ts, ...ledger } = report();
    if (isDeepStrictEqual(told, ledger)) return;
    told = ledger;
    try {
      await bus.publish({
        topic: `${options.base}/bridge/ledger`,
        payload: Buffer.from(JSON.stringify({ ts, ...ledger })),
        qos: 1,
        retain: true,
        properties: { contentType: 'application/json' },
      });
    } catch (error) {
      log.debug('Cannot publish', { topic: 'ledger', error: String(error) });
    }
  }

  const stopSaving = clock.every(SAVE_MS, () => void save());
  const stopTelling = clock.every(TELL_MS, () => void tell());
  return {
    report,
    async close() {
      stopSaving();
      stopTelling();
      await save();
      await sayLastWord(options, tell);
    },
  };
}

/** What a flow had before this run, and what this run added. */
function flowLedgerOf(
  before: FlowLedger,
  run: { readonly counts: Readonly<WireCounts>; readonly runner: FlowRunner | undefined },
  bus: Bus['kind'],
): FlowLedger {
  const { counts, runner } = run;
  const dropped: Record<string, number> = { ...before.dropped };
  for (const [reason, count] of Object.entries(counts.dropped)) {
    dropped[reason] = (dropped[reason] ?? 0) + count;
  }
  // The own broker has nothing of it any more: what goes back, goes back to the journal.
  const toJournal = bus === 'embedded' ? counts.returned : 0;
  return {
    source: runner?.loaded.file.source.device ?? before.source,
    received: before.received + counts.received,
    recovered: before.recovered,
    inJournal: before.inJournal + toJournal - counts.replayed,
    queued: runner?.queued.events ?? 0,
    inFlight: counts.inFlight,
    emitted: before.emitted + counts.emitted,
    held: before.held + counts.held,
    deadLettered: before.deadLettered + counts.deadLettered,
    dropped,
    returned: before.returned + counts.returned - toJournal,
    interrupted: before.interrupted,
  };
}

function uplinkLedgerOf(uplink: Uplink | undefined): Pick<Ledger, 'uplink'> {
  if (uplink === undefined) return {};
  const { stats } = uplink;
  return {
    uplink: forEachClass((name) => {
      const { emitted, acked, dropped, queued } = stats[name];
      return { emitted, acked, queued: queued.messages, dropped };
    }),
  };
}
