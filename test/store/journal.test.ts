import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openStore } from '../../src/store/database.ts';
import { type Journal, type JournalLimits, openJournal } from '../../src/store/journal.ts';
import { encodeDone, isDone } from '../../src/store/journal-done.ts';
import {
  decodeRecord,
  encodeRecord,
  encodeRecords,
  type JournalRecord,
  splitRecords,
} from '../../src/store/journal-record.ts';
import type { Store } from '../../src/store/store.ts';

const LIMITS: JournalLimits = { eventsMax: 1000, bytesMax: 1024 * 1024, gatherMs: 1 };
let folder: string;
let store: Store;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'journal-'));
  store = await openStore({ folder: join(folder, 'store') });
});
afterEach(async () => {
  await store[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

async function reopen(): Promise<Journal> {
  await store[Symbol.asyncDispose]();
  store = await openStore({ folder: join(folder, 'store') });
  return openJournal(store, LIMITS);
}

const record = (id: string, bytes = 3): JournalRecord => ({
  id,
  ts: 1_700_000_000_000,
  topic: 'in/a',
  qos: 1,
  payload: Buffer.alloc(bytes, id),
});

async function idsOf(journal: Journal, flow: string): Promise<string[]> {
  const ids: string[] = [];
  for await (const [, { id }] of journal.replay(flow)) ids.push(id);
  return ids;
}

const kept = (journal: Journal, flow: string, one: JournalRecord) =>
  new Promise<ReturnType<Journal['append']>>((resolve) => {
    const place = journal.append(flow, one, () => resolve(place));
  });

describe('a journal', () => {
  test('has after a reopening what was kept and not removed, in order, by flow', async () => {
    const journal = await openJournal(store, LIMITS);
    const ids = Array.from({ length: 50 }, (_, at) => `e${at}`);
    const places = await Promise.all(ids.map((id) => kept(journal, 'a', record(id))));
    await kept(journal, 'b', record('other'));
    for (const place of places.slice(0, 20)) journal.remove(place);
    expect(journal.count('a')).toMatchObject({ events: 30 });
    await journal.flush();
    const again = await reopen();
    expect(again.flows()).toEqual(['a', 'b']);
    expect(again.count('a')).toMatchObject({ events: 30 });
    expect(await idsOf(again, 'a')).toEqual(ids.slice(20));
    expect(await idsOf(again, 'b')).toEqual(['other']);
    const late = await kept(again, 'a', record('late'));
    expect((await idsOf(again, 'a')).at(-1)).toBe('late');
    again.remove(late);
  });

  test('never writes an event that is removed while it gathers', async () => {
    const journal = await openJournal(store, { ...LIMITS, gatherMs: 10_000 });
    const first = journal.append('a', record('gone'), () => undefined);
    journal.append('a', record('stays'), () => undefined);
    journal.remove(first);
    await journal.flush();
    const keys: string[] = [];
    for await (const [key] of store.entries('journal/')) keys.push(key);
    expect(keys).toHaveLength(1);
    expect(await idsOf(journal, 'a')).toEqual(['stays']);
  });

  test('replays what is still gathered, and nothing that came later', async () => {
    const journal = await openJournal(store, { ...LIMITS, gatherMs: 10_000 });
    journal.append('a', record('1'), () => undefined);
    journal.append('a', record('2'), () => undefined);
    const ids: string[] = [];
    for await (const [place, { id }] of journal.replay('a')) {
      ids.push(id);
      journal.append('a', record('new'), () => undefined);
      journal.remove(place);
    }
    expect(ids).toEqual(['1', '2']);
  });

  test.each<[string, Partial<JournalLimits>]>([
    ['events', { eventsMax: 2 }],
    ['bytes', { bytesMax: 2 * (512 + 3) }],
  ])('full of %s keeps the next only once there is room', async (_, limits) => {
    const journal = await openJournal(store, { ...LIMITS, ...limits });
    const first = await kept(journal, 'a', record('1'));
    await kept(journal, 'a', record('2'));
    let third = false;
    const waiting = kept(journal, 'b', record('3')).then((place) => {
      third = true;
      return place;
    });
    await journal.flush();
    expect(third).toBe(false);
    expect(journal.count('b').events).toBe(0);
    journal.remove(first);
    journal.remove(await waiting);
    expect(journal.count('a').events).toBe(1);
  });

  test('lets go of one that waited for room and is done before', async () => {
    const journal = await openJournal(store, { ...LIMITS, eventsMax: 1 });
    await kept(journal, 'a', record('1'));
    const place = journal.append('a', record('2'), () => undefined);
    expect(journal.waits(place)).toBe(true);
    journal.remove(place);
    journal.remove(place);
    expect(journal.waits(place)).toBe(false);
    expect(await idsOf(journal, 'a')).toEqual(['1']);
  });

  test('sets an entry aside that does not parse, and tells', async () => {
    const journal = await openJournal(store, LIMITS);
    await kept(journal, 'a', record('1'));
    await kept(journal, 'a', record('2'));
    const keys: string[] = [];
    for await (const [found] of store.entries('journal/')) keys.push(found);
    const [key = ''] = keys;
    await store.write([{ kind: 'put', key, value: Buffer.from('rubbish') }]);
    const told: string[] = [];
    const again = await openJournal(store, { ...LIMITS, onDamaged: (name) => told.push(name) });
    expect(await idsOf(again, 'a')).toEqual(['2']);
    expect(told).toEqual([`${key}/0`]);
    expect(again.count('a').events).toBe(1);
    expect(Buffer.from((await store.get(`damaged/${key}/0`)) ?? []).toString()).toBe('rubbish');
  });
});

describe('a segment', () => {
  const records = [record('1'), record('a longer one', 20), record('2', 0)];

  test('gives back the records it was made of', () => {
    const read = splitRecords(encodeRecords(records))?.map(decodeRecord);
    expect(read?.map(({ id }) => id)).toEqual(records.map(({ id }) => id));
    expect(splitRecords(new Uint8Array())).toEqual([]);
  });

  test('that is cut short is refused, unless it ends with a record', () => {
    const bytes = encodeRecords(records);
    const ends = records.map((_, at) => encodeRecords(records.slice(0, at)).byteLength);
    for (let length = 0; length < bytes.byteLength; length += 1) {
      const read = splitRecords(bytes.subarray(0, length));
      const count = ends.indexOf(length);
      expect(read?.length, `${length} bytes`).toBe(count < 0 ? undefined : count);
    }
  });

  test('remembers which of its records are done', () => {
    const done = Array.from({ length: 19 }, (_, at) => at % 3 === 0);
    const bits = encodeDone(done);
    expect(done.map((_, at) => isDone(bits, at))).toEqual(done);
    expect(isDone(undefined, 0)).toBe(false);
  });
});

describe('a record', () => {
  const full: JournalRecord = {
    ...record('id'),
    expiresAt: 1_700_000_060_000,
    properties: {
      contentType: 'image/jpeg',
      responseTopic: 'answers/1',
      correlationData: Buffer.of(1, 2, 3),
      payloadFormatIndicator: false,
      userProperties: { unit: 'mm', tag: ['a', 'b'] },
    },
  };

  test.each([
    ['with everything', full],
    ['with nothing but a payload', record('x', 0)],
  ])('%s is the same after it was written and read', (_, one) => {
    const read = decodeRecord(encodeRecord(one));
    expect({ ...read, payload: Buffer.from(read.payload) }).toEqual(one);
  });

  test('that is cut short anywhere in its header is refused', () => {
    const bytes = encodeRecord(full);
    const header = bytes.byteLength - full.payload.byteLength;
    for (let length = 0; length < header; length += 1) {
      expect(() => decodeRecord(bytes.subarray(0, length))).toThrow('journal');
    }
  });
});
