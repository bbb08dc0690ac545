import { afterEach, describe, expect, test } from 'vitest';
import type { BrokerOptions } from '../../src/bus/broker.ts';
import type { Message } from '../../src/bus/bus.ts';
import { ENTRY_BYTES } from '../../src/bus/persistence/session-limits.ts';
import { createHandClock } from '../harness/hand-clock.ts';
import { type KeptBroker, openKeptBroker } from '../harness/kept-broker.ts';
import type { WireClient } from '../harness/wire-client.ts';

let kept: KeptBroker;

async function open(sessions: NonNullable<BrokerOptions['sessions']>): Promise<void> {
  kept = await openKeptBroker({ sessions });
}
afterEach(() => kept[Symbol.asyncDispose]());

async function absent(clientId: string, filter = 'a', version: 4 | 5 = 5): Promise<void> {
  const client = await kept.resume(clientId, { version });
  await client.subscribe(filter);
  client.cut();
  await kept.empty();
}

function text(payload: string, topic = 'a'): Message {
  return { topic, payload: Buffer.from(payload), qos: 1, retain: false };
}

async function publishAll(count: number, payload = (at: number) => String(at)): Promise<void> {
  await Promise.all(Array.from({ length: count }, (_, at) => kept.bus.publish(text(payload(at)))));
}

/** What was told of limits. */
function told(): string[] {
  return kept.problems.flatMap(({ code, message }) => (code === 'overflow' ? message : []));
}

/** Everything that waits on topic `a`. */
async function rest(client: WireClient): Promise<string[]> {
  while (kept.bus.sessions.queuedMessages > 0) await new Promise((done) => setImmediate(done));
  await kept.bus.publish(text('end'));
  const found: string[] = [];
  for (;;) {
    const payload = (await client.message('a')).payload.toString();
    if (payload === 'end') return found;
    found.push(payload);
  }
}

const numbers = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, at) => String(from + at));

describe('a full session', () => {
  test.each([
    ['drop-oldest', numbers(3, 10)],
    ['drop-newest', numbers(0, 7)],
  ] as const)('%s: keeps exactly as many messages as allowed', async (overflow, expected) => {
    await open({ queueMessagesMax: 7, overflow });
    await absent('one');
    await publishAll(7);
    expect(kept.bus.sessions).toMatchObject({ queuedMessages: 7, dropped: { overflow: 0 } });
    for (const payload of ['7', '8', '9']) await kept.bus.publish(text(payload));
    expect(kept.bus.sessions).toMatchObject({ queuedMessages: 7, dropped: { overflow: 3 } });
    await kept.restart();
    expect(await rest(await kept.resume('one'))).toEqual(expected);
  });

  test('disconnect-session: the session ends, and its client learns it', async () => {
    await open({ queueMessagesMax: 7, overflow: 'disconnect-session' });
    await absent('one');
    await publishAll(7);
    expect(kept.bus.sessions.sessions).toBe(1);
    await publishAll(1);
    expect(kept.bus.sessions).toMatchObject({ sessions: 0, queuedMessages: 0, queuedBytes: 0 });
    expect((await kept.resume('one')).connack.sessionPresent).toBe(false);
  });

  test('keeps exactly as many bytes as allowed', async () => {
    const bytes = 1000 + ENTRY_BYTES + 'a'.length;
    await open({ queueBytesMax: 5 * bytes });
    await absent('one');
    const payload = (at: number) => String(at).padEnd(1000, '.');
    await publishAll(5, payload);
    expect(kept.bus.sessions).toMatchObject({ queuedMessages: 5, queuedBytes: 5 * bytes });
    await kept.bus.publish(text(payload(5)));
    expect(kept.bus.sessions).toMatchObject({
      queuedMessages: 5,
      queuedBytes: 5 * bytes,
      dropped: { overflow: 1 },
    });
    await kept.restart();
    expect(kept.bus.sessions.queuedBytes).toBe(5 * bytes);
  });

  test('a message larger than the session leaves the others alone', async () => {
    await open({ queueBytesMax: 2000 });
    await absent('one');
    await kept.bus.publish(text('small'));
    await kept.bus.publish(text('x'.repeat(2000)));
    expect(await rest(await kept.resume('one'))).toEqual(['small']);
  });

  test('is told of once, and again after it was empty', async () => {
    await open({ queueMessagesMax: 2 });
    await absent('one');
    await publishAll(10);
    expect(told()).toEqual([expect.stringContaining('"one"')]);
    await rest(await kept.resume('one'));
    await (await kept.resume('one')).leave();
    await kept.empty();
    await publishAll(10);
    expect(told()).toHaveLength(2);
  });

  test('all sessions together keep no more bytes than allowed', async () => {
    const bytes = 1000 + ENTRY_BYTES + 'a'.length;
    await open({ bytesMax: 10 * bytes });
    for (const id of ['one', 'two', 'three']) await absent(id);
    await publishAll(8, (at) => String(at).padEnd(1000, '.'));
    expect(kept.bus.sessions.queuedBytes).toBe(10 * bytes);
  });

  test('a client without a lasting session that does not acknowledge loses its connection', async () => {
    await open({ queueMessagesMax: 50 });
    const client = await kept.connect({ acks: 'by hand' });
    await client.subscribe('a');
    await publishAll(50);
    expect(kept.bus.connections).toBe(1);
    await publishAll(1);
    await client.ended;
    await kept.empty();
    expect(kept.bus.sessions).toMatchObject({ sessions: 0, queuedMessages: 0, queuedBytes: 0 });
  });
});

test('an absent session does not grow past its limit, in memory or on disk, over 20,000 messages', async () => {
  await open({ queueMessagesMax: 500, queueBytesMax: 300_000 });
  await absent('one', 'a', 4);
  const writer = await kept.connect({ clientId: 'writer' });
  const payload = 'x'.repeat(400);
  for (let round = 0; round < 40; round += 1) {
    for (let at = 1; at <= 500; at += 1) {
      const id = { messageId: at, qos: 1, dup: false, retain: false } as const;
      writer.send({ cmd: 'publish', topic: 'a', payload: payload + round, ...id });
    }
    for (let at = 0; at < 500; at += 1) await writer.take('puback');
    const { queuedMessages, queuedBytes } = kept.bus.sessions;
    expect(queuedMessages).toBeLessThanOrEqual(500);
    expect(queuedBytes).toBeLessThanOrEqual(300_000);
  }
  await kept.store.flush();
  let entries = 0;
  let bytes = 0;
  for await (const [, value] of kept.store.entries('sessions/queue/')) {
    entries += 1;
    bytes += value.byteLength;
  }
  const { queuedMessages, dropped } = kept.bus.sessions;
  expect(entries).toBe(queuedMessages);
  expect(bytes).toBeLessThanOrEqual(300_000);
  expect(dropped.overflow + queuedMessages).toBe(20_000);
});

describe('a message that the store has no room for', () => {
  const large = 'x'.repeat(10_000);

  test.each([4, 5] as const)(
    'is not acknowledged to a client of version %i, and arrives once there is room',
    async (version) => {
      kept = await openKeptBroker({}, { queueBytesMax: 5_000 });
      await absent('reader', '#');
      const writer = await kept.connect({ clientId: 'writer', version });
      const packet = { cmd: 'publish', qos: 2, dup: false, retain: false, messageId: 1 } as const;
      writer.send({ ...packet, topic: 'a', payload: large });
      await writer.ended;
      const again = await kept.connect({ clientId: 'writer', version });
      again.send({ ...packet, topic: 'a', payload: 'small' });
      await again.take('pubrec');
      expect(await rest(await kept.resume('reader'))).toEqual(['small']);
    },
  );

  test('is refused to the node, retriable, and no session has it', async () => {
    kept = await openKeptBroker({}, { queueBytesMax: 5_000 });
    await absent('reader');
    await expect(kept.bus.publish(text(large))).rejects.toMatchObject({
      code: 'overflow',
      retriable: true,
    });
    expect(kept.bus.sessions).toMatchObject({ queuedMessages: 0, queuedBytes: 0 });
    await kept.bus.publish(text('small'));
    expect(await rest(await kept.resume('reader'))).toEqual(['small']);
  });
});

describe('absent sessions', () => {
  test('one more than allowed ends with its connection; the others stay', async () => {
    await open({ sessionsMax: 3 });
    for (const id of ['one', 'two', 'three', 'four']) await absent(id);
    expect(kept.bus.sessions.absent).toBe(3);
    expect((await kept.resume('four')).connack.sessionPresent).toBe(false);
    expect((await kept.resume('one')).connack.sessionPresent).toBe(true);
    expect(told()).toEqual([expect.stringContaining('"four"')]);
  });

  test('a longer expiry than allowed is cut, and the client is told', async () => {
    const clock = createHandClock(Date.now());
    kept = await openKeptBroker({ clock, sessions: { expirySecondsMax: 100 } });
    const client = await kept.resume('one');
    expect(client.connack.properties?.sessionExpiryInterval).toBe(100);
    client.cut();
    await kept.empty();
    clock.advance(99_999);
    expect(kept.bus.sessions.sessions).toBe(1);
    clock.advance(1);
    expect(kept.bus.sessions.sessions).toBe(0);
  });
});

describe('retained messages', () => {
  const retain = (topic: string, payload: string) =>
    kept.bus.publish({ ...text(payload, topic), retain: true });

  test('over their number a new topic is not retained; a known one is', async () => {
    await open({ retainedMessagesMax: 2 });
    for (const topic of ['r/1', 'r/2', 'r/3']) await retain(topic, 'old');
    await retain('r/2', 'new');
    expect(kept.bus.sessions).toMatchObject({ retainedMessages: 2, retainedRefused: 1 });
    expect(told()).toHaveLength(1);
    await kept.restart();
    const client = await kept.connect();
    await client.subscribe('r/#');
    expect((await client.message('r/2')).payload.toString()).toBe('new');
  });

  test('over their bytes nothing is retained until there is room', async () => {
    const bytes = ENTRY_BYTES + 'r/1'.length + 1000;
    await open({ retainedBytesMax: 2 * bytes });
    for (const topic of ['r/1', 'r/2', 'r/3']) await retain(topic, 'x'.repeat(1000));
    expect(kept.bus.sessions).toMatchObject({ retainedMessages: 2, retainedBytes: 2 * bytes });
    await retain('r/1', '');
    await retain('r/3', 'x'.repeat(1000));
    expect(kept.bus.sessions).toMatchObject({ retainedMessages: 2, retainedBytes: 2 * bytes });
  });
});
