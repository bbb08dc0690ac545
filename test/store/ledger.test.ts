import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { encodeMsgpack } from '../../src/std/msgpack.ts';
import { openStore } from '../../src/store/database.ts';
import { openJournal } from '../../src/store/journal.ts';
import {
  bySource,
  emptyFlow,
  type FlowLedger,
  reconcile,
  verifyLedger,
} from '../../src/store/ledger.ts';
import { keepFlow, readLedger } from '../../src/store/ledger-read.ts';
import { outboxKeys } from '../../src/store/outbox-record.ts';

const FULL: FlowLedger = {
  source: 'sensor',
  received: 100,
  recovered: 5,
  inJournal: 4,
  queued: 3,
  inFlight: 2,
  emitted: 70,
  held: 10,
  deadLettered: 6,
  dropped: { expired: 4, overflow: 3 },
  returned: 1,
  interrupted: 2,
};

test('a flow whose terms add up has no problem', () => {
  expect(verifyLedger({ flows: { one: FULL }, sources: bySource({ one: FULL }) })).toEqual([]);
});

test.each([
  { wrong: { received: 101 }, left: 106, right: 105 },
  { wrong: { emitted: 69 }, left: 105, right: 104 },
  { wrong: { dropped: { expired: 4 } }, left: 105, right: 102 },
])('$wrong is named with its numbers', ({ wrong, left, right }) => {
  const [problem] = verifyLedger({ flows: { one: { ...FULL, ...wrong } }, sources: {} });
  expect(problem).toMatchObject({ sum: 'flow one', left, right });
  expect(problem?.text).toContain(`is ${left}`);
});

test('a negative count is a problem even where the sum adds up', () => {
  const flow = { ...emptyFlow('any'), received: 1, queued: -1, emitted: 2 };
  expect(verifyLedger({ flows: { one: flow }, sources: {} })).toHaveLength(1);
});

test('a class of the uplink that lost a message is named', () => {
  const good = { emitted: 3, acked: 2, queued: 1, dropped: {} };
  const uplink = { alarm: good, state: { ...good, acked: 1 }, telemetry: good, media: good };
  const problems = verifyLedger({ flows: {}, sources: {}, uplink });
  expect(problems.map(({ sum }) => sum)).toEqual(['uplink state']);
});

test.each([
  { journal: 9, recovered: 5, interrupted: 2, why: 'after a stop nothing changes' },
  { journal: 12, recovered: 8, interrupted: 2, why: 'more in the journal was received unseen' },
  { journal: 1, recovered: 5, interrupted: 10, why: 'less in the journal ended unseen' },
])('reconciled with $journal in the journal: $why', ({ journal, recovered, interrupted }) => {
  const next = reconcile(FULL, { events: journal });
  expect(next).toMatchObject({ inJournal: journal, queued: 0, inFlight: 0 });
  expect(next).toMatchObject({ recovered, interrupted });
  expect(verifyLedger({ flows: { next }, sources: {} })).toEqual([]);
});

test('flows of one source are added up', () => {
  const sources = bySource({ one: FULL, two: FULL, other: { ...FULL, source: 'camera' } });
  expect(sources.sensor).toMatchObject({ received: 200, dropped: { expired: 8, overflow: 6 } });
  expect(sources.camera?.received).toBe(100);
});

test('the ledger of a stopped node is read from its store, and a doctored one is caught', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'ledge-ledger-'));
  try {
    await using store = await openStore({ folder });
    const journal = await openJournal(store, { eventsMax: 10, bytesMax: 1e6, gatherMs: 0 });
    await store.write([keepFlow('one', { ...FULL, inJournal: 0, queued: 0, inFlight: 9 })]);
    const ledger = await readLedger(store, journal);
    expect(ledger.flows.one).toMatchObject({ inFlight: 0, interrupted: 11 });
    expect(verifyLedger(ledger)).toEqual([]);
    const counts = { emitted: 5, acked: 6, dropped: {}, lastSeq: 5, runningMs: 0 };
    const value = encodeMsgpack(counts);
    await store.write([{ kind: 'put', key: outboxKeys.counts('alarm'), value }]);
    const problems = verifyLedger(await readLedger(store, journal));
    expect(problems.map(({ sum }) => sum)).toEqual(['uplink alarm']);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
