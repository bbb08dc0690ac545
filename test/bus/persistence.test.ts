import type { IPublishPacket, Packet } from 'mqtt-packet';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Message } from '../../src/bus/bus.ts';
import { createHandClock, type HandClock } from '../harness/hand-clock.ts';
import { createInbox } from '../harness/inbox.ts';
import { type KeptBroker, openKeptBroker } from '../harness/kept-broker.ts';
import type { WireClient } from '../harness/wire-client.ts';

let kept: KeptBroker;
let clock: HandClock;

beforeEach(async () => {
  clock = createHandClock(Date.now());
  kept = await openKeptBroker({ clock });
});
afterEach(() => kept[Symbol.asyncDispose]());

/** What may lie between the two connections of a session. */
const GAPS = ['a reconnect', 'a restart', 'a crash'] as const;
type Gap = (typeof GAPS)[number];

async function leap(gap: Gap): Promise<void> {
  if (gap === 'a restart') await kept.restart();
  else if (gap === 'a crash') await kept.crash();
}

function text(topic: string, payload: string, qos: 0 | 1 | 2 = 1): Message {
  return { topic, payload: Buffer.from(payload), qos, retain: false };
}

function payloads(packets: readonly IPublishPacket[]): string[] {
  return packets.map(({ payload }) => payload.toString());
}

async function messages(client: WireClient, topic: string, wanted: number): Promise<string[]> {
  const found: IPublishPacket[] = [];
  while (found.length < wanted) found.push(await client.message(topic));
  return payloads(found);
}

/** Opens a lasting session with a subscription, and breaks its connection. */
async function absent(clientId: string, filter: string, version: 4 | 5 = 5): Promise<void> {
  const client = await kept.resume(clientId, { version });
  await client.subscribe(filter);
  client.cut();
  await kept.empty();
}

describe.each(GAPS)('over %s', (gap) => {
  describe.each([4, 5] as const)('a session of MQTT version %i', (version) => {
    test('is present the second time, and the first time it is not', async () => {
      const first = await kept.resume('one', { version });
      expect(first.connack.sessionPresent).toBe(false);
      await first.subscribe('a');
      first.cut();
      await kept.empty();
      await leap(gap);
      expect((await kept.resume('one', { version })).connack.sessionPresent).toBe(true);
    });

    test('is present although it subscribed to nothing', async () => {
      (await kept.resume('one', { version })).cut();
      await kept.empty();
      await leap(gap);
      const second = await kept.resume('one', { version });
      expect(second.connack.sessionPresent).toBe(true);
    });

    test('gets what it missed in order, before what is newer', async () => {
      await absent('one', 'a', version);
      const missed = Array.from({ length: 500 }, (_, at) =>
        kept.bus.publish(text('a', String(at), at % 3 === 0 ? 2 : 1)),
      );
      await Promise.all(missed);
      await leap(gap);
      const resumed = kept.resume('one', { version });
      const newer: Promise<void>[] = [];
      for (let at = 500; at < 1_000; at += 1) {
        newer.push(kept.bus.publish(text('a', String(at), at % 3 === 0 ? 2 : 1)));
        if (at % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      const got = await messages(await resumed, 'a', 1_000);
      await Promise.all(newer);
      expect(got).toEqual(Array.from({ length: 1_000 }, (_, at) => String(at)));
    });

    test('is gone after a clean start', async () => {
      await absent('one', 'a', version);
      await kept.bus.publish(text('a', 'missed'));
      await leap(gap);
      await (await kept.resume('one', { version, connect: { clean: true } })).leave();
      await kept.empty();
      const third = await kept.resume('one', { version });
      await kept.bus.publish(text('a', 'new'));
      await third.subscribe('a');
      await kept.bus.publish(text('a', 'last'));
      expect(await messages(third, 'a', 1)).toEqual(['last']);
    });
  });

  test('an unacknowledged message comes again under its identifier, marked, and first', async () => {
    const first = await kept.resume('one', { acks: 'by hand' });
    await first.subscribe('a');
    await kept.bus.publish(text('a', 'one', 1));
    await kept.bus.publish(text('a', 'two', 2));
    const sent = [await first.message('a'), await first.message('a')];
    expect(sent.map(({ dup }) => dup)).toEqual([false, false]);
    first.cut();
    await kept.empty();
    await kept.bus.publish(text('a', 'three', 1));
    await leap(gap);
    const second = await kept.resume('one', { acks: 'by hand' });
    const again = [await second.message('a'), await second.message('a')];
    expect(
      again.map(({ messageId, dup, payload }) => [messageId, dup, payload.toString()]),
    ).toEqual([
      [sent[0]?.messageId, true, 'one'],
      [sent[1]?.messageId, true, 'two'],
    ]);
    expect(await second.message('a')).toMatchObject({ payload: Buffer.from('three') });
  });

  test('a message that its client has is not sent again, but released', async () => {
    const first = await kept.resume('one', { acks: 'by hand' });
    await first.subscribe('a');
    await kept.bus.publish(text('a', 'once', 2));
    const { messageId = 0 } = await first.message('a');
    first.send({ cmd: 'pubrec', messageId });
    await first.take('pubrel');
    first.cut();
    await kept.empty();
    await leap(gap);
    const second = await kept.resume('one', { acks: 'by hand' });
    expect(await second.take('pubrel')).toMatchObject({ messageId });
    second.send({ cmd: 'pubcomp', messageId });
    await kept.bus.publish(text('a', 'next', 1));
    expect(await messages(second, 'a', 1)).toEqual(['next']);
    expect(payloads(second.messages)).toEqual(['next']);
  });

  test('an open QoS 2 message of a client is known when it comes again', async () => {
    await absent('reader', 'a');
    const first = await kept.resume('writer', { acks: 'by hand' });
    const message = publish(7, 'once');
    first.send(message);
    await first.take('pubrec');
    first.cut();
    await kept.empty();
    await leap(gap);
    const inbox = createInbox();
    await kept.bus.subscribe('a', { qos: 2 }, inbox.handler);
    const second = await kept.resume('writer', { acks: 'by hand' });
    second.send({ ...message, dup: true } as Packet);
    await second.take('pubrec');
    second.send({ cmd: 'pubrel', messageId: 7 });
    await second.take('pubcomp');
    second.send(publish(7, 'twice'));
    await second.take('pubrec');
    expect(inbox.texts).toEqual(['twice']);
    expect(await messages(await kept.resume('reader'), 'a', 2)).toEqual(['once', 'twice']);
  });

  test('a retained message stays, and one that was cleared stays away', async () => {
    for (const topic of ['r/a', 'r/b']) {
      await kept.bus.publish({ ...text(topic, topic), retain: true });
    }
    await kept.bus.publish({ ...text('r/b', ''), retain: true });
    await leap(gap);
    const client = await kept.connect();
    await client.subscribe('r/#');
    await client.publish({ topic: 'r/end', qos: 1 });
    await client.message('r/end');
    expect(client.messages.map(({ topic, retain }) => [topic, retain])).toEqual([
      ['r/a', true],
      ['r/end', false],
    ]);
  });
});

function publish(messageId: number, payload: string): Packet {
  return { cmd: 'publish', topic: 'a', payload, qos: 2, dup: false, retain: false, messageId };
}

describe('the end of a session', () => {
  test('a clean start forgets an open QoS 2 message: a new one has its identifier', async () => {
    const inbox = createInbox();
    await kept.bus.subscribe('a', { qos: 2 }, inbox.handler);
    for (const payload of ['first', 'second']) {
      const client = await kept.connect({ clientId: 'one', acks: 'by hand' });
      client.send(publish(5, payload));
      await client.take('pubrec');
      client.cut();
      await kept.empty();
    }
    expect(inbox.texts).toEqual(['first', 'second']);
  });

  test('resumed without expiry, it delivers what waited and ends with the connection', async () => {
    await absent('one', 'a');
    await kept.bus.publish(text('a', 'waited'));
    const plain = { connect: { clean: false } };
    const client = await kept.connect({ clientId: 'one', ...plain });
    expect(client.connack.sessionPresent).toBe(true);
    expect(await messages(client, 'a', 1)).toEqual(['waited']);
    await client.leave();
    await kept.empty();
    expect(kept.bus.sessions.sessions).toBe(0);
    expect((await kept.resume('one')).connack.sessionPresent).toBe(false);
  });

  test('comes at its time, and not before', async () => {
    await absent('one', 'a');
    clock.advance(3_599_999);
    expect(kept.bus.sessions.sessions).toBe(1);
    clock.advance(1);
    expect(kept.bus.sessions.sessions).toBe(0);
    expect((await kept.resume('one')).connack.sessionPresent).toBe(false);
  });

  test('comes at its time across a restart', async () => {
    await absent('one', 'a');
    clock.advance(3_000_000);
    await kept.restart();
    clock.advance(599_999);
    expect(kept.bus.sessions.sessions).toBe(1);
    clock.advance(1);
    await kept.restart();
    expect(kept.bus.sessions.sessions).toBe(0);
  });

  test('a connected session does not end, and begins to wait when its client goes', async () => {
    const client = await kept.resume('one');
    clock.advance(10_000_000);
    client.cut();
    await kept.empty();
    clock.advance(3_599_999);
    expect((await kept.resume('one')).connack.sessionPresent).toBe(true);
  });

  test('a session of MQTT 3.1.1 ends at the configured age', async () => {
    await absent('old', 'a', 4);
    const four = 4 * 24 * 60 * 60 * 1000;
    clock.advance(four - 1);
    expect(kept.bus.sessions.absent).toBe(1);
    clock.advance(1);
    expect(kept.bus.sessions.absent).toBe(0);
  });

  test('nothing of it is left on disk', async () => {
    await absent('one', 'a');
    await kept.bus.publish(text('a', 'waited', 2));
    (await kept.resume('one', { connect: { clean: true, properties: {} } })).cut();
    await kept.empty();
    await kept.store.flush();
    const keys: string[] = [];
    for await (const [key] of kept.store.entries('sessions/')) keys.push(key);
    expect(keys).toEqual([]);
  });
});

describe('a message that expires', () => {
  const expiring = (payload: string, messageExpiryInterval: number): Message => ({
    ...text('a', payload),
    properties: { messageExpiryInterval },
  });

  test('is dropped while its client is away, and what is left of the time is told', async () => {
    await absent('one', 'a');
    await kept.bus.publish(expiring('short', 10));
    await kept.bus.publish(expiring('long', 100));
    clock.advance(10_000);
    await kept.restart();
    const client = await kept.resume('one');
    expect(await client.message('a')).toMatchObject({
      payload: Buffer.from('long'),
      properties: { messageExpiryInterval: 90 },
    });
    expect(payloads(client.messages)).toEqual(['long']);
    expect(kept.bus.sessions.dropped.expired).toBe(1);
  });

  test('is not retained longer, not even by a restart', async () => {
    await kept.bus.publish({ ...expiring('short', 10), retain: true });
    clock.advance(10_000);
    await kept.restart();
    expect(kept.bus.sessions.retainedMessages).toBe(0);
  });
});

describe('last wills', () => {
  const will = (willDelayInterval?: number) => ({
    topic: 'gone',
    payload: Buffer.from('dead'),
    qos: 1 as const,
    retain: false,
    ...(willDelayInterval !== undefined && { properties: { willDelayInterval } }),
  });

  test('a client that was connected at a crash is declared gone after it', async () => {
    await absent('reader', 'gone');
    await kept.connect({ clientId: 'one', connect: { will: will() } });
    await kept.crash();
    clock.advance(0);
    const reader = await kept.resume('reader');
    expect(await messages(reader, 'gone', 1)).toEqual(['dead']);
  });

  test('the delay runs from the new start, and a client that returns calls it off', async () => {
    const connect = { will: will(30), properties: { sessionExpiryInterval: 3600 } };
    await absent('reader', 'gone');
    await kept.resume('returns', { connect });
    await kept.resume('stays away', {
      connect: { ...connect, will: { ...will(30), payload: Buffer.from('away') } },
    });
    await kept.crash();
    const reader = await kept.resume('reader');
    clock.advance(29_999);
    await kept.resume('returns', { connect });
    clock.advance(1);
    expect(await messages(reader, 'gone', 1)).toEqual(['away']);
    await kept.bus.publish(text('gone', 'end'));
    expect(await messages(reader, 'gone', 1)).toEqual(['end']);
  });

  test('a client that took its leave is not declared gone', async () => {
    await absent('reader', 'gone');
    const client = await kept.connect({ clientId: 'one', connect: { will: will() } });
    await client.leave();
    await kept.empty();
    await kept.crash();
    clock.advance(1_000);
    await kept.bus.publish(text('gone', 'end'));
    expect(await messages(await kept.resume('reader'), 'gone', 1)).toEqual(['end']);
  });
});

describe('a subscription of a session', () => {
  test('keeps its options and identifiers over a crash', async () => {
    const first = await kept.resume('one');
    await first.subscribe([{ topic: 'a/#', qos: 1, rap: true }], { subscriptionIdentifier: 7 });
    await first.subscribe([{ topic: 'a/+', qos: 2, nl: true }], { subscriptionIdentifier: 9 });
    first.cut();
    await kept.empty();
    await kept.crash();
    const writer = await kept.connect({ clientId: 'writer' });
    await writer.publish({ topic: 'a/b', payload: 'x', qos: 2, retain: true });
    const second = await kept.resume('one');
    const { qos, retain, properties } = await second.message('a/b');
    expect({ qos, retain, ids: properties?.subscriptionIdentifier }).toEqual({
      qos: 2,
      retain: true,
      ids: [7, 9],
    });
    await second.publish({ topic: 'a/c', payload: 'own', qos: 2 });
    expect(await second.message('a/c')).toMatchObject({ qos: 1 });
  });

  test('taken back, it takes nothing any more', async () => {
    const first = await kept.resume('one');
    await first.subscribe('a');
    await first.subscribe('b');
    await first.unsubscribe('a');
    first.cut();
    await kept.empty();
    await kept.crash();
    await kept.bus.publish(text('a', 'no'));
    await kept.bus.publish(text('b', 'yes'));
    const second = await kept.resume('one');
    await second.message('b');
    expect(second.messages.map(({ topic }) => topic)).toEqual(['b']);
  });
});

test('a message for clients without a lasting session costs no write', async () => {
  const reader = await kept.connect({ clientId: 'reader' });
  await reader.subscribe('a');
  const before = await keys();
  for (const qos of [0, 1, 2] as const) await kept.bus.publish(text('a', 'x', qos));
  await messages(reader, 'a', 3);
  expect(await keys()).toEqual(before);
});

async function keys(): Promise<string[]> {
  const found: string[] = [];
  for await (const [key] of kept.store.entries('')) found.push(key);
  return found;
}
