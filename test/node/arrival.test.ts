import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Message } from '../../src/bus/bus.ts';
import { Arrival, messageOfRecord, recordOf } from '../../src/node/arrival.ts';
import { eventIdOf } from '../../src/node/event-id.ts';
import { toEvent } from '../../src/node/wire.ts';
import { openStore } from '../../src/store/database.ts';
import { type Journal, openJournal } from '../../src/store/journal.ts';
import type { Store } from '../../src/store/store.ts';

let folder: string;
let store: Store;
let journal: Journal;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'arrival-'));
  store = await openStore({ folder: join(folder, 'store') });
  // Long enough that only a flush writes.
  journal = await openJournal(store, { eventsMax: 1, bytesMax: 1e6, gatherMs: 60_000 });
});
afterEach(async () => {
  await store[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const message: Message = {
  topic: 'in/d',
  payload: Buffer.from('abc'),
  qos: 1,
  retain: false,
  properties: { correlationData: Buffer.of(1), messageExpiryInterval: 60 },
};

/** An arrival in the journal, and what its publisher was told so far. */
function arrive() {
  const told: string[] = [];
  const delivery = {
    message,
    accept: () => void told.push('accept'),
    settle: () => void told.push('settle'),
  };
  const event = toEvent(message, 'd', { deadlineMs: undefined });
  const arrival = new Arrival(event, { qos: 1, delivery }, () => undefined);
  arrival.keepIn(journal, 'f', recordOf(message, event));
  return { arrival, told };
}

describe('a publisher is acknowledged', () => {
  test('once the event has its place and is on disk, in this order', async () => {
    const { arrival, told } = arrive();
    arrival.accepted();
    expect(told).toEqual([]);
    await journal.flush();
    expect(told).toEqual(['accept']);
  });

  test('once the event is on disk and has its place, in this order', async () => {
    const { arrival, told } = arrive();
    await journal.flush();
    expect(told).toEqual([]);
    arrival.accepted();
    expect(told).toEqual(['accept']);
  });

  test('once what became of the event is handed over, with nothing written', async () => {
    const { arrival, told } = arrive();
    arrival.accepted();
    arrival.settle();
    expect(told).toEqual(['accept', 'settle']);
    await journal.flush();
    expect(told).toEqual(['accept', 'settle']);
    expect(journal.flows()).toEqual([]);
  });

  test('only once there is room, where the journal is full', async () => {
    const first = arrive();
    const second = arrive();
    second.arrival.accepted();
    expect([first.arrival.comesAgain, second.arrival.comesAgain]).toEqual([true, false]);
    await journal.flush();
    expect(second.told).toEqual([]);
    first.arrival.settle();
    await journal.flush();
    expect(second.told).toEqual(['accept']);
    expect(second.arrival.comesAgain).toBe(true);
  });
});

describe('an event of the journal', () => {
  test('is the same event, later', () => {
    const event = toEvent(message, 'd', { deadlineMs: 1000 });
    const record = recordOf(message, event);
    const again = messageOfRecord(record, event.ts + 20_000);
    expect(again).toMatchObject({ ...message, properties: { messageExpiryInterval: 40 } });
    const replay = toEvent(again, 'd', { deadlineMs: 1000, replayOf: record });
    expect(replay).toMatchObject({ id: event.id, ts: event.ts, replayed: true, device: 'd' });
    expect(replay).not.toBe(event);
  });

  test('whose message has expired meanwhile has no time left', () => {
    const record = recordOf(message, toEvent(message, 'd', { deadlineMs: undefined }));
    const late = messageOfRecord(record, record.ts + 61_000);
    expect(late.properties?.messageExpiryInterval).toBe(0);
  });
});

describe('the id of an event', () => {
  const digestOf = (topic: string, payload: Uint8Array) =>
    eventIdOf(topic, payload, 1_700_000_000_000).split('-')[0];

  test('is never the same twice, but begins alike for the same topic and payload', () => {
    const ids = Array.from({ length: 1000 }, () => eventIdOf('a', Buffer.from('x'), 1));
    expect(new Set(ids).size).toBe(1000);
    expect(new Set(ids.map((id) => id.split('-')[0])).size).toBe(1);
  });

  test.each([
    ['another topic', 'b', Buffer.alloc(100_000)],
    ['another beginning', 'a', Buffer.alloc(100_000).fill(1, 0, 1)],
    ['another end', 'a', Buffer.alloc(100_000).fill(1, 99_999)],
    ['one byte more', 'a', Buffer.alloc(9_000)],
  ])('begins otherwise for %s', (_, topic, payload) => {
    expect(digestOf(topic, payload)).not.toBe(digestOf('a', Buffer.alloc(100_000)));
  });
});
