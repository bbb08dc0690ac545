import type { JournalCount } from './journal.ts';
import type { ClassCounts, OutboxClass } from './outbox-class.ts';

/**
 * What became of the events of one flow, over all runs of the node. It adds up:
 * received + recovered = inJournal + queued + inFlight + emitted + held + deadLettered + dropped +
 * returned + interrupted. An event counts once, whatever its number of results.
 */
export interface FlowLedger {
  /** The device of its source, as the flow file names it. */
  readonly source: string;
  /** From publishers. */
  readonly received: number;
  /** Found in the journal after a crash, and not counted as received before it. */
  readonly recovered: number;
  /** On disk, taken up by no queue yet. */
  readonly inJournal: number;
  readonly queued: number;
  readonly inFlight: number;
  /** With results, all handed over. */
  readonly emitted: number;
  readonly held: number;
  readonly deadLettered: number;
  readonly dropped: Readonly<Record<string, number>>;
  /** Back to another broker, which sends them again. */
  readonly returned: number;
  /** Open when the counters were kept last before a crash, and not in the journal after it. */
  readonly interrupted: number;
}

/** One class of the uplink: emitted = acked + queued + the sum of dropped. */
export interface UplinkLedger extends Readonly<ClassCounts> {
  readonly queued: number;
}

/** All counters of a node. */
export interface Ledger {
  readonly flows: Readonly<Record<string, FlowLedger>>;
  /** Its flows together, by source. */
  readonly sources: Readonly<Record<string, FlowLedger>>;
  /** Absent where the node has no uplink. */
  readonly uplink?: Readonly<Record<OutboxClass, UplinkLedger>>;
}

/** A sum that is off. */
export interface LedgerProblem {
  /** `flow machine-anomaly`, `source sensor`, `uplink alarm`. */
  readonly sum: string;
  readonly left: number;
  readonly right: number;
  /** The sum with its numbers. */
  readonly text: string;
}

/** Every sum of the ledger that does not add up. */
export function verifyLedger({ flows, sources, uplink }: Ledger): readonly LedgerProblem[] {
  return [
    ...Object.entries(flows).flatMap(([name, one]) => verifyFlow(`flow ${name}`, one)),
    ...Object.entries(sources).flatMap(([name, one]) => verifyFlow(`source ${name}`, one)),
    ...Object.entries(uplink ?? {}).flatMap(([name, one]) => {
      const { emitted, acked, queued, dropped } = one;
      return compare(`uplink ${name}`, { emitted }, { acked, queued, ...reasonsOf(dropped) });
    }),
  ];
}

function verifyFlow(sum: string, flow: FlowLedger): readonly LedgerProblem[] {
  const { source: _, received, recovered, dropped, ...rest } = flow;
  return compare(sum, { received, recovered }, { ...rest, ...reasonsOf(dropped) });
}

type Terms = Readonly<Record<string, number>>;

function reasonsOf(dropped: Partial<Record<string, number>>): Terms {
  const reasons = Object.entries(dropped).map(([reason, count]) => [
    `dropped ${reason}`,
    count ?? 0,
  ]);
  return Object.fromEntries(reasons);
}

function compare(sum: string, before: Terms, after: Terms): readonly LedgerProblem[] {
  const [left, right] = [sumOf(before), sumOf(after)];
  const whole = [...Object.values(before), ...Object.values(after)].every(
    (count) => Number.isSafeInteger(count) && count >= 0,
  );
  if (left === right && whole) return [];
  const text = `${termsOf(before)} is ${left}, and ${termsOf(after)} is ${right}`;
  return [{ sum, left, right, text }];
}

function sumOf(terms: Terms): number {
  return Object.values(terms).reduce((sum, count) => sum + count, 0);
}

function termsOf(terms: Terms): string {
  return Object.entries(terms)
    .map(([name, count]) => `${name} ${count}`)
    .join(' + ');
}

/** A flow of which nothing is known yet. */
export function emptyFlow(source: string): FlowLedger {
  return {
    source,
    received: 0,
    recovered: 0,
    inJournal: 0,
    queued: 0,
    inFlight: 0,
    emitted: 0,
    held: 0,
    deadLettered: 0,
    dropped: {},
    returned: 0,
    interrupted: 0,
  };
}

/**
 * The counters that a new run begins with: what was open when they were kept last is in the journal
 * now, or is not. After a stop the two agree; after a crash the difference is declared.
 */
export function reconcile(kept: FlowLedger, journal: Pick<JournalCount, 'events'>): FlowLedger {
  const open = kept.inJournal + kept.queued + kept.inFlight;
  const difference = journal.events - open;
  return {
    ...kept,
    inJournal: journal.events,
    queued: 0,
    inFlight: 0,
    recovered: kept.recovered + Math.max(0, difference),
    interrupted: kept.interrupted + Math.max(0, -difference),
  };
}

/** The flows of each source together. */
export function bySource(
  flows: Readonly<Record<string, FlowLedger>>,
): Readonly<Record<string, FlowLedger>> {
  const sources: Record<string, FlowLedger> = {};
  for (const flow of Object.values(flows)) {
    const sum = sources[flow.source];
    sources[flow.source] = sum === undefined ? flow : addFlows(sum, flow);
  }
  return sources;
}

function addFlows(one: FlowLedger, other: FlowLedger): FlowLedger {
  const dropped: Record<string, number> = { ...one.dropped };
  for (const [reason, count] of Object.entries(other.dropped)) {
    dropped[reason] = (dropped[reason] ?? 0) + count;
  }
  return {
    source: one.source,
    received: one.received + other.received,
    recovered: one.recovered + other.recovered,
    inJournal: one.inJournal + other.inJournal,
    queued: one.queued + other.queued,
    inFlight: one.inFlight + other.inFlight,
    emitted: one.emitted + other.emitted,
    held: one.held + other.held,
    deadLettered: one.deadLettered + other.deadLettered,
    dropped,
    returned: one.returned + other.returned,
    interrupted: one.interrupted + other.interrupted,
  };
}
