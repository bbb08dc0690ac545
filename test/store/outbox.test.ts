import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/std/clock.ts';
import { openStore } from '../../src/store/database.ts';
import { type DurableOutbox, type Lease, openOutbox } from '../../src/store/outbox.ts';
import {
  type ClassLimits,
  DEFAULT_LIMITS,
  OUTBOX_CLASSES,
  type OutboxClass,
} from '../../src/store/outbox-class.ts';
import { forEachClass, outboxKeys } from '../../src/store/outbox-record.ts';
import type { Store } from '../../src/store/store.ts';

interface Opened {
  readonly store: Store;
  readonly outbox: DurableOutbox;
  readonly folder: string;
  /** Running time of the outbox, as the test sets it. */
  readonly time: { ms: number };
  readonly damaged: string[];
  /** Ends without a word: nothing that was only in memory is written. */
  crash(): Promise<void>;
}

interface Settings {
  readonly folder?: string;
  readonly limits?: Partial<Record<OutboxClass, Partial<ClassLimits>>>;
  readonly bytesMax?: number;
  readonly replayPerSecond?: number;
  readonly queueBytesMax?: number;
}

const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function open(settings: Settings = {}): Promise<Opened> {
  const folder = settings.folder ?? (await mkdtemp(join(tmpdir(), 'ledge-outbox-')));
  if (settings.folder === undefined) {
    closers.push(() => rm(folder, { recursive: true, force: true }));
  }
  const store = await openStore({
    folder: join(folder, 'store'),
    batchMs: 1,
    ...(settings.queueBytesMax !== undefined && { queueBytesMax: settings.queueBytesMax }),
  });
  const time = { ms: 0 };
  const damaged: string[] = [];
  const outbox = await openOutbox({
    store,
    limits: forEachClass((name) => ({ ...DEFAULT_LIMITS[name], ...settings.limits?.[name] })),
    bytesMax: settings.bytesMax ?? 10_000_000,
    replayPerSecond: settings.replayPerSecond ?? 1e6,
    clock: systemClock,
    onReady: () => {},
    onDamaged: (key) => damaged.push(key),
    monotonicMs: () => time.ms,
  });
  const crash = async () => await store[Symbol.asyncDispose]();
  closers.push(crash);
  return { store, outbox, folder, time, damaged, crash };
}

function item(name: OutboxClass, topic: string, text: string) {
  return { class: name, topic, body: Buffer.from(text) };
}

async function textOf({ entry, body }: Lease): Promise<string> {
  return `${entry.lane.topic} ${Buffer.from((await body) ?? []).toString()}`;
}

/** Sends and acknowledges all that may go now. */
async function drain(outbox: DurableOutbox): Promise<string[]> {
  const texts: string[] = [];
  for (let one = outbox.lease(); one !== undefined; one = outbox.lease()) {
    if ((await one.body) === undefined) {
      outbox.drop(one, 'damaged');
      continue;
    }
    texts.push(await textOf(one));
    outbox.acknowledge(one);
  }
  return texts;
}

function expectSums(outbox: DurableOutbox): void {
  for (const { emitted, acked, queued, dropped } of Object.values(outbox.stats())) {
    const lost = Object.values(dropped).reduce((sum, count) => sum + count, 0);
    expect(emitted).toBe(acked + queued.messages + lost);
  }
}

test('what was put while offline goes out in order, and is gone from disk then', async () => {
  const { outbox, store } = await open();
  for (const at of [1, 2, 3]) await outbox.put(item('telemetry', 'a', String(at)));
  expect(outbox.lease()).toBeUndefined();
  outbox.online();
  expect(await drain(outbox)).toEqual(['a 1', 'a 2', 'a 3']);
  await outbox.flush();
  for await (const [key] of store.entries('outbox')) expect(key).toBe('nothing is left');
  expect(outbox.stats().telemetry).toMatchObject({ emitted: 3, acked: 3, dropped: {} });
});

test('a crash loses nothing that was put, and what was on its way comes again, marked', async () => {
  const first = await open();
  for (const at of [1, 2, 3, 4]) await first.outbox.put(item('alarm', 'a', String(at)));
  first.outbox.online();
  const sent = first.outbox.lease();
  expect(sent?.replayed).toBe(true);
  first.outbox.acknowledge(sent as Lease);
  await first.outbox.flush();
  first.outbox.lease();
  await first.crash();
  const second = await open({ folder: first.folder });
  second.outbox.online();
  const again = second.outbox.lease();
  expect([again?.replayed, await textOf(again as Lease)]).toEqual([true, 'a 2']);
  second.outbox.acknowledge(again as Lease);
  expect(await drain(second.outbox)).toEqual(['a 3', 'a 4']);
  expect(second.outbox.stats().alarm).toMatchObject({ emitted: 4, acked: 4 });
  expectSums(second.outbox);
});

test('the counters on disk fit the messages on disk after every single write', async () => {
  const { folder, crash: end } = await open();
  await end();
  for (let run = 0; run < 6; run += 1) {
    const { outbox, crash } = await open({ folder, limits: { telemetry: { messagesMax: 5 } } });
    expectSums(outbox);
    for (let at = 0; at < 4; at += 1) await outbox.put(item('telemetry', `t${at % 2}`, 'x'));
    outbox.online();
    const one = outbox.lease();
    if (one !== undefined) outbox.acknowledge(one);
    if (run % 2 === 0) await outbox.flush();
    await crash();
  }
  const { outbox } = await open({ folder });
  expectSums(outbox);
  expect(outbox.stats().telemetry.emitted).toBe(24);
});

test('a header that cannot be read is counted as damaged, the rest goes on', async () => {
  const first = await open();
  for (const at of [1, 2, 3]) await first.outbox.put(item('telemetry', 'a', String(at)));
  const key = outboxKeys.header('telemetry', 2);
  await first.store.write([{ kind: 'put', key, value: Buffer.from([1, 2, 3]) }]);
  await first.crash();
  const { outbox, damaged } = await open({ folder: first.folder });
  expect(damaged).toContain(key);
  outbox.online();
  expect(await drain(outbox)).toEqual(['a 1', 'a 3']);
  expect(outbox.stats().telemetry.dropped).toEqual({ damaged: 1 });
  expectSums(outbox);
});

test('a body that is not there is counted as damaged', async () => {
  const { outbox, store } = await open();
  for (const at of [1, 2]) await outbox.put(item('media', 'a', String(at)));
  await store.write([{ kind: 'delete', key: outboxKeys.body('media', 1) }]);
  outbox.online();
  expect(await drain(outbox)).toEqual(['a 2']);
  expect(outbox.stats().media.dropped).toEqual({ damaged: 1 });
});

describe('a full class', () => {
  const cases = [
    { overflow: 'drop-oldest', left: ['b 2', 'a 3', 'b 4'], dropped: { overflow: 2 } },
    { overflow: 'drop-newest', left: ['a 0', 'a 1', 'b 2'], dropped: { overflow: 2 } },
    { overflow: 'compact-latest', left: ['a 3', 'b 4'], dropped: { compacted: 3 } },
  ] as const;

  test.each(cases)('with $overflow keeps $left', async ({ overflow, left, dropped }) => {
    const { outbox } = await open({ limits: { telemetry: { messagesMax: 3, overflow } } });
    const topics = ['a', 'a', 'b', 'a', 'b'];
    for (const [at, topic] of topics.entries()) {
      await outbox.put(item('telemetry', topic, String(at)));
    }
    expect(outbox.stats().telemetry.dropped).toEqual(dropped);
    expectSums(outbox);
    outbox.online();
    expect(await drain(outbox)).toEqual(left);
  });

  test('drops by bytes as well, and tells who gave it that it is gone', async () => {
    const limits = { telemetry: { bytesMax: 2_000, overflow: 'drop-newest' } } as const;
    const { outbox } = await open({ limits });
    expect(await outbox.put(item('telemetry', 'a', 'x'.repeat(1_000)))).toBe('stored');
    expect(await outbox.put(item('telemetry', 'a', 'x'.repeat(1_000)))).toBe('dropped');
    expect(await outbox.put(item('telemetry', 'a', 'x'.repeat(3_000)))).toBe('dropped');
    expect(outbox.stats().telemetry).toMatchObject({ emitted: 3, dropped: { overflow: 2 } });
  });
});

test('over the limit of all the least urgent gives way, and an alarm never to another', async () => {
  const { outbox } = await open({ bytesMax: 4_600 });
  const body = 'x'.repeat(1_000);
  for (const name of OUTBOX_CLASSES) await outbox.put(item(name, name, body));
  const queued = () => OUTBOX_CLASSES.map((name) => outbox.stats()[name].queued.messages);
  expect(queued()).toEqual([1, 1, 1, 1]);
  await outbox.put(item('alarm', 'second', body));
  expect(queued()).toEqual([2, 1, 1, 0]);
  expect(await outbox.put(item('media', 'media', body))).toBe('dropped');
  await outbox.put(item('alarm', 'third', body));
  await outbox.put(item('alarm', 'fourth', body));
  expect(queued()).toEqual([4, 0, 0, 0]);
  await outbox.put(item('alarm', 'fifth', body));
  expect(outbox.stats().alarm.dropped).toEqual({ overflow: 1 });
  expect(outbox.stats().state.dropped).toEqual({ 'gave-way': 1 });
  expectSums(outbox);
});

test('alarms over their own limit take from others as long as there is something', async () => {
  const { outbox } = await open({ limits: { alarm: { messagesMax: 2 } } });
  for (let at = 0; at < 3; at += 1) await outbox.put(item('telemetry', 't', String(at)));
  for (let at = 0; at < 5; at += 1) await outbox.put(item('alarm', 'a', String(at)));
  expect(outbox.stats().alarm.dropped).toEqual({});
  expect(outbox.stats().telemetry.dropped).toEqual({ 'gave-way': 3 });
  await outbox.put(item('alarm', 'a', '5'));
  expect(outbox.stats().alarm.dropped.overflow).toBeGreaterThan(0);
  expectSums(outbox);
});

test('what is older than its class allows, or than its own interval, expires', async () => {
  const { outbox, time } = await open({ limits: { telemetry: { ageSecondsMax: 60 } } });
  await outbox.put(item('telemetry', 'old', '1'));
  await outbox.put({ ...item('alarm', 'short', '2'), expirySeconds: 10 });
  await outbox.put({ ...item('alarm', 'long', '3'), expirySeconds: 100 });
  time.ms = 61_000;
  outbox.online();
  const left = outbox.lease();
  expect([left?.entry.lane.topic, left?.expirySeconds]).toEqual(['long', 39]);
  expect(outbox.lease()).toBeUndefined();
  expect(outbox.stats().telemetry.dropped).toEqual({ expired: 1 });
  expect(outbox.stats().alarm.dropped).toEqual({ expired: 1 });
});

test('ages count on after a restart, whatever the clock says', async () => {
  const first = await open();
  first.time.ms = 50_000;
  await first.outbox.put(item('telemetry', 'a', '1'));
  await first.crash();
  const second = await open({ folder: first.folder });
  second.time.ms = 20_000;
  expect(second.outbox.stats().telemetry.queued.oldestAgeSeconds).toBe(20);
});

test('live messages pass the backlog of other topics, and queue behind that of their own', async () => {
  const { outbox } = await open({ replayPerSecond: 1 });
  for (const at of [1, 2]) await outbox.put(item('telemetry', 'busy', `old ${at}`));
  outbox.online();
  await outbox.put(item('telemetry', 'quiet', 'new'));
  await outbox.put(item('telemetry', 'busy', 'new'));
  const sent: [string, boolean][] = [];
  for (let one = outbox.lease(); one !== undefined; one = outbox.lease()) {
    sent.push([await textOf(one), one.replayed]);
  }
  expect(sent).toEqual([
    ['quiet new', false],
    ['busy old 1', true],
  ]);
});

test('the backlog goes at its rate, live messages do not wait for it', async () => {
  const { outbox, time } = await open({ replayPerSecond: 10 });
  for (let at = 0; at < 30; at += 1) await outbox.put(item('telemetry', `b${at}`, 'old'));
  outbox.online();
  const counts: number[] = [];
  for (let second = 0; second < 3; second += 1) {
    let count = 0;
    for (let step = 0; step < 10; step += 1) {
      time.ms += 100;
      await outbox.put(item('telemetry', 'live', String(step)));
      const sent = await drain(outbox);
      expect(sent).toContain(`live ${step}`);
      count += sent.filter((text) => text.endsWith('old')).length;
    }
    counts.push(count);
  }
  expect(counts).toEqual([10, 10, 10]);
});

test('alarms go first, and no class starves beside a flood of them', async () => {
  const { outbox } = await open();
  const body = 'x'.repeat(500);
  for (let at = 0; at < 400; at += 1) await outbox.put(item('alarm', `a${at}`, body));
  for (const name of ['state', 'telemetry', 'media'] as const) {
    for (let at = 0; at < 20; at += 1) await outbox.put(item(name, `${name}${at}`, body));
  }
  outbox.online();
  const order: OutboxClass[] = [];
  for (let one = outbox.lease(); one !== undefined; one = outbox.lease()) {
    order.push(one.entry.class);
    outbox.acknowledge(one);
  }
  expect(order[0]).toBe('alarm');
  const firstHundred = order.slice(0, 100);
  expect(firstHundred.filter((name) => name === 'alarm').length).toBeGreaterThan(60);
  for (const name of OUTBOX_CLASSES) expect(firstHundred).toContain(name);
});

test('what was recalled comes again first and in its order', async () => {
  const { outbox } = await open();
  for (const at of [1, 2, 3]) await outbox.put(item('telemetry', 'a', String(at)));
  outbox.online();
  outbox.lease();
  outbox.lease();
  outbox.offline();
  outbox.recall();
  await outbox.put(item('telemetry', 'a', '4'));
  outbox.online();
  expect(await drain(outbox)).toEqual(['a 1', 'a 2', 'a 3', 'a 4']);
  expectSums(outbox);
});

test('what the disk cannot take now waits for it, in its order', async () => {
  const first = await open({ queueBytesMax: 20_000 });
  const puts = Array.from({ length: 200 }, (_, at) =>
    first.outbox.put(item('telemetry', `t${at % 4}`, `${at} ${'x'.repeat(1_000)}`)),
  );
  expect(new Set(await Promise.all(puts))).toEqual(new Set(['stored']));
  expectSums(first.outbox);
  await first.crash();
  const { outbox } = await open({ folder: first.folder });
  expect(outbox.stats().telemetry).toMatchObject({ emitted: 200, dropped: {} });
  expectSums(outbox);
  outbox.online();
  const sent = (await drain(outbox)).map((text) => text.split(' ').slice(0, 2));
  for (const topic of ['t0', 't1', 't2', 't3']) {
    const numbers = sent.filter(([of]) => of === topic).map(([, number]) => Number(number));
    expect(numbers).toEqual(numbers.toSorted((left, right) => left - right));
  }
});

test('puts fail with closed once the outbox is closed', async () => {
  const { outbox } = await open();
  await outbox[Symbol.asyncDispose]();
  await expect(outbox.put(item('alarm', 'a', '1'))).rejects.toMatchObject({ code: 'closed' });
});
