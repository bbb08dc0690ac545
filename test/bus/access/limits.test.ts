import type { IPubackPacket, ISubackPacket, Packet } from 'mqtt-packet';
import { afterEach, describe, expect, test } from 'vitest';
import type { BrokerLimits } from '../../../src/bus/access/limits.ts';
import { type EmbeddedBus, openBroker } from '../../../src/bus/broker.ts';
import type { LedgeError } from '../../../src/std/error.ts';
import { createInbox } from '../../harness/inbox.ts';
import { openRawClient, type RawClient } from '../../harness/raw-client.ts';
import { roundTrip } from './open-guarded.ts';

let bus: EmbeddedBus;
let problems: LedgeError[];

async function open(limits: Partial<BrokerLimits>, payloadBytesMax = 1024): Promise<void> {
  problems = [];
  const onProblem = (problem: LedgeError) => void problems.push(problem);
  bus = await openBroker({ port: 0, limits, payloadBytesMax, onProblem });
}
afterEach(() => bus[Symbol.asyncDispose]());

const told = () => problems.map(({ message }) => message);

function publish(topic: string, messageId: number, bytes = 1): Packet {
  const payload = Buffer.alloc(bytes, 'x');
  return { cmd: 'publish', topic, payload, qos: 1, dup: false, retain: false, messageId };
}

async function codeOf(client: RawClient, packet: Packet): Promise<number> {
  const { length } = client.packets.filter(({ cmd }) => cmd === 'puback');
  client.send(packet);
  const acks = await client.count('puback', length + 1);
  return (acks[length] as IPubackPacket).reasonCode ?? 0;
}

async function granted(client: RawClient, filters: readonly string[]) {
  const { length } = client.packets.filter(({ cmd }) => cmd === 'suback');
  const subscriptions = filters.map((topic) => ({ topic, qos: 0 as const }));
  client.send({ cmd: 'subscribe', messageId: 1, subscriptions });
  const acks = await client.count('suback', length + 1);
  return (acks[length] as ISubackPacket).granted;
}

const levels = (count: number) => new Array(count).fill('a').join('/');

describe('connections of one address', () => {
  test('at the limit they work, one more is closed and told, one that leaves makes room', async () => {
    await open({ connectionsPerAddressMax: 3 });
    const clients = await Promise.all(
      [1, 2, 3].map((at) => openRawClient({ port: bus.port, clientId: `c${at}` })),
    );
    const more = await openRawClient({ port: bus.port, connect: 'none' });
    await more.closed;
    await Promise.all(clients.map(roundTrip));
    expect(told()).toEqual(['Refused a connection: 3 connections from 127.0.0.1 are open']);
    clients[0]?.socket.destroy();
    while (bus.connections > 2) await new Promise((resolve) => setImmediate(resolve));
    await roundTrip(await openRawClient({ port: bus.port, clientId: 'new' }));
  });
});

describe('a connection without a whole CONNECT in time', () => {
  test.each([
    ['nothing', []],
    ['half a CONNECT', [0x10, 0x10, 0, 4, 0x4d, 0x51]],
  ])('that sent %s is closed, one that connected stays', async (_, bytes) => {
    await open({ connectTimeoutMs: 200 });
    const good = await openRawClient({ port: bus.port });
    const slow = await openRawClient({ port: bus.port, connect: 'none' });
    slow.sendBytes(Buffer.from(bytes));
    await slow.closed;
    await roundTrip(good);
  });
});

describe('subscriptions of one client', () => {
  test('at the limit they are granted, one more is refused, one that ends makes room', async () => {
    await open({ subscriptionsMax: 3 });
    const client = await openRawClient({ port: bus.port });
    expect(await granted(client, ['a', 'b', 'c', 'd'])).toEqual([0, 0, 0, 0x97]);
    expect(await granted(client, ['a'])).toEqual([0]);
    expect(await granted(client, ['e'])).toEqual([0x97]);
    client.send({ cmd: 'unsubscribe', messageId: 2, unsubscriptions: ['b'] });
    await client.next('unsuback');
    expect(await granted(client, ['e', 'f'])).toEqual([0, 0x97]);
    expect(told()).toEqual(['Refused client "raw" a subscription to "d": it has 3 subscriptions']);
    const other = await openRawClient({ port: bus.port, clientId: 'other' });
    expect(await granted(other, ['d'])).toEqual([0]);
  });
});

describe('the size of a topic', () => {
  test.each([
    ['levels', { topicLevelsMax: 4 }, levels(4), levels(5)],
    ['bytes', { topicBytesMax: 16 }, 'x'.repeat(16), 'x'.repeat(17)],
    ['bytes of letters that take three', { topicBytesMax: 16 }, '漢'.repeat(5), '漢'.repeat(6)],
  ])('at its limit of %s works, over it is refused', async (_, limits, good, bad) => {
    await open(limits);
    const client = await openRawClient({ port: bus.port });
    expect(await codeOf(client, publish(good, 1))).toBe(0);
    expect(await codeOf(client, publish(bad, 2))).toBe(0x90);
    expect(await granted(client, [good, bad])).toEqual([0, 0x87]);
    await roundTrip(client);
  });
});

describe('the size of a payload', () => {
  test('at its limit works, a byte over it is refused, and the connection stays', async () => {
    await open({}, 1024);
    const inbox = createInbox();
    await bus.subscribe('a', { qos: 1 }, inbox.handler);
    const client = await openRawClient({ port: bus.port });
    expect(await codeOf(client, publish('a', 1, 1024))).toBe(0);
    expect(await codeOf(client, publish('a', 2, 1025))).toBe(0x97);
    await roundTrip(client);
    expect(inbox.messages).toHaveLength(1);
  });
});

describe('messages that are not acknowledged to the end', () => {
  const exactly = (topic: string, messageId: number): Packet => ({
    ...(publish(topic, messageId) as Packet & { cmd: 'publish' }),
    qos: 2,
  });

  test('are announced, work at the limit, and one more ends the connection', async () => {
    await open({ inflightMax: 3 });
    const client = await openRawClient({ port: bus.port });
    expect(await client.next('connack')).toMatchObject({ properties: { receiveMaximum: 3 } });
    for (const id of [1, 2, 3]) client.send(exactly('a', id));
    await client.count('pubrec', 3);
    client.send({ cmd: 'pubrel', messageId: 1 });
    await client.next('pubcomp');
    client.send(exactly('a', 4));
    await client.count('pubrec', 4);
    client.send(exactly('a', 5));
    expect(await client.next('disconnect')).toMatchObject({ reasonCode: 0x93 });
    await client.closed;
  });
});

describe('messages of one client in a second', () => {
  test('over the limit are held back, in order, not lost, told once, nobody cut', async () => {
    await open({ publishesPerSecondMax: 20 });
    const inbox = createInbox();
    await bus.subscribe('a', { qos: 1 }, inbox.handler);
    const client = await openRawClient({ port: bus.port });
    for (let id = 1; id <= 30; id += 1) client.send(publish('a', id));
    const other = await openRawClient({ port: bus.port, clientId: 'other' });
    expect(await codeOf(other, publish('b', 1))).toBe(0);
    expect(inbox.messages.length).toBeLessThan(30);
    const acks = await client.count('puback', 30);
    expect(acks.map(({ messageId }) => messageId)).toEqual(
      Array.from({ length: 30 }, (_, at) => at + 1),
    );
    expect(told()).toEqual(['Held client "raw" back: it sends more than 20 messages a second']);
  });

  test('held back for longer than its keep-alive, a client is not called dead', async () => {
    await open({ publishesPerSecondMax: 2 });
    const client = await openRawClient({ port: bus.port, connect: { keepalive: 1 } });
    for (let id = 1; id <= 7; id += 1) client.send(publish('a', id));
    client.send({ cmd: 'pingreq' });
    await client.count('puback', 7);
    await roundTrip(client);
  });
});
