import { createServer as createHttpServer, type Server } from 'node:http';
import { createServer } from 'node:net';
import { generate, type Packet } from 'mqtt-packet';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { freePort } from '../../scripts/free-port.ts';
import { type BrokerOptions, type EmbeddedBus, openBroker } from '../../src/bus/broker.ts';
import type { Message } from '../../src/bus/bus.ts';
import type { LedgeError } from '../../src/std/error.ts';
import { createInbox } from '../harness/inbox.ts';
import { openRawClient } from '../harness/raw-client.ts';

let bus: EmbeddedBus;
let problems: LedgeError[];

async function reopen(options: BrokerOptions): Promise<void> {
  await bus[Symbol.asyncDispose]();
  bus = await openBroker({ port: 0, onProblem: (problem) => problems.push(problem), ...options });
}

beforeEach(async () => {
  problems = [];
  bus = await openBroker({ port: 0, onProblem: (problem) => problems.push(problem) });
});
afterEach(() => bus[Symbol.asyncDispose]());

function text(topic: string, payload: string, qos: 0 | 1 | 2 = 1): Message {
  return { topic, payload: Buffer.from(payload), qos, retain: false };
}

function publishPacket(topic: string, qos: 0 | 1 | 2, messageId?: number): Packet {
  const id = messageId === undefined ? {} : { messageId };
  return { cmd: 'publish', topic, payload: topic, qos, dup: false, retain: false, ...id };
}

describe('opening the broker', () => {
  test('a port in use is named, and its code says so', async () => {
    await expect(openBroker({ port: bus.port })).rejects.toMatchObject({
      code: 'address-in-use',
      message: expect.stringContaining(`port ${bus.port} is in use`),
    });
  });

  test.each(['0.0.0.0', '::', '192.0.2.1', 'example.org'])(
    'host %s is refused for want of credentials',
    async (host) => {
      await expect(openBroker({ host, port: 0 })).rejects.toMatchObject({
        code: 'config-invalid',
        message: expect.stringContaining('credentials'),
      });
    },
  );

  test('a given port is kept, and free again after closing', async () => {
    const port = await freePort();
    await reopen({ port });
    expect(bus.address).toBe(`mqtt://127.0.0.1:${port}`);
    await bus[Symbol.asyncDispose]();
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    await new Promise((resolve) => server.close(resolve));
  });

  test('a client that connects before the start is let in by it, after the subscriptions', async () => {
    await reopen({ start: 'later' });
    const opening = openRawClient({ port: bus.port });
    const inbox = createInbox();
    await bus.subscribe('a', { qos: 1 }, inbox.handler);
    await bus.start();
    const client = await opening;
    client.send(publishPacket('a', 1, 1));
    await client.next('puback');
    expect(inbox.texts).toEqual(['a']);
  });
});

describe('holding publishers back', () => {
  test('no PUBACK goes out before its message is accepted, and all go out in order', async () => {
    const inbox = createInbox('hold');
    await bus.subscribe('a/+', { qos: 1 }, inbox.handler);
    const client = await openRawClient({ port: bus.port });
    for (const id of [1, 2, 3]) client.send(publishPacket(`a/${id}`, 1, id));
    await inbox.count(3);
    inbox.deliveries[2]?.accept();
    inbox.deliveries[1]?.accept();
    // A round trip of another client: time enough for a wrong PUBACK.
    await (await openRawClient({ port: bus.port, clientId: 'other' })).next('connack');
    expect(client.packets.filter(({ cmd }) => cmd === 'puback')).toEqual([]);
    inbox.deliveries[0]?.accept();
    const acks = await client.count('puback', 3);
    expect(acks.map(({ messageId }) => messageId)).toEqual([1, 2, 3]);
  });

  test('a publisher whose messages are not accepted is not read any further', async () => {
    const held = createInbox('hold');
    await bus.subscribe('a', { qos: 0 }, held.handler);
    const client = await openRawClient({ port: bus.port });
    const packet = generate({ ...publishPacket('a', 0), payload: Buffer.alloc(1000) } as Packet, {
      protocolVersion: 5,
    });
    const sent = 64 * 1024;
    const room = client.socket.write(Buffer.concat(new Array(sent).fill(packet)));
    await held.count(1);
    await (await openRawClient({ port: bus.port, clientId: 'other' })).next('connack');
    expect(room).toBe(false);
    expect(held.deliveries.length).toBeLessThan(sent / 100);
    client.socket.destroy();
  });

  test.each([0, 1, 2] as const)(
    'a held QoS %i message goes on to clients once accepted',
    async (qos) => {
      const inbox = createInbox('hold');
      await bus.subscribe('a', { qos }, inbox.handler);
      const reader = await openRawClient({ port: bus.port, clientId: 'reader' });
      reader.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a', qos: 0 }] });
      await reader.next('suback');
      const client = await openRawClient({ port: bus.port });
      client.send(publishPacket('a', qos, qos === 0 ? undefined : 7));
      await inbox.count(1);
      await (await openRawClient({ port: bus.port, clientId: 'other' })).next('connack');
      expect(reader.packets.some(({ cmd }) => cmd === 'publish')).toBe(false);
      inbox.deliveries[0]?.accept();
      await reader.next('publish');
    },
  );

  test('a message for two handlers is acknowledged when both accepted', async () => {
    const first = createInbox();
    const second = createInbox('hold');
    await bus.subscribe('a', { qos: 1 }, first.handler);
    await bus.subscribe('+', { qos: 1 }, second.handler);
    const client = await openRawClient({ port: bus.port });
    client.send(publishPacket('a', 1, 1));
    await second.count(1);
    expect(client.packets.some(({ cmd }) => cmd === 'puback')).toBe(false);
    second.deliveries[0]?.accept();
    await client.next('puback');
    expect(first.texts).toEqual(['a']);
  });

  test('publishing to a handler of the node waits until it accepts', async () => {
    const inbox = createInbox('hold');
    await bus.subscribe('a', { qos: 1 }, inbox.handler);
    let done = false;
    const published = bus.publish(text('a', 'x')).then(() => {
      done = true;
    });
    await inbox.count(1);
    await bus.publish(text('b', 'x'));
    expect(done).toBe(false);
    inbox.deliveries[0]?.accept();
    await published;
  });
});

describe('routing between clients', () => {
  test('a QoS 1 message and a QoS 0 message of the same moment both arrive', async () => {
    const reader = await openRawClient({ port: bus.port });
    reader.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: '#', qos: 1 }] });
    await reader.next('suback');
    const topics = ['one', 'two', 'three', 'four'];
    await Promise.all(
      topics.map((topic, at) => bus.publish(text(topic, '', at % 2 === 0 ? 1 : 0))),
    );
    const got = await reader.count('publish', 4);
    expect(got.map((packet) => ('topic' in packet ? packet.topic : '')).sort()).toEqual(
      [...topics].sort(),
    );
  });

  test('overlapping subscriptions of one client give one copy', async () => {
    const reader = await openRawClient({ port: bus.port });
    const subscriptions = ['a', '+', '#'].map((topic) => ({ topic, qos: 1 as const }));
    reader.send({ cmd: 'subscribe', messageId: 1, subscriptions });
    await reader.next('suback');
    await bus.publish(text('a', 'x', 0));
    await bus.publish(text('b', 'x', 0));
    const got = await reader.count('publish', 2);
    expect(got.map((packet) => ('topic' in packet ? packet.topic : ''))).toEqual(['a', 'b']);
  });

  test('a QoS 2 message that is sent again is given to the node once', async () => {
    const inbox = createInbox();
    await bus.subscribe('+', { qos: 2 }, inbox.handler);
    const client = await openRawClient({ port: bus.port });
    client.send(publishPacket('a', 2, 9));
    await client.count('pubrec', 1);
    client.send({ ...publishPacket('a', 2, 9), dup: true } as Packet);
    await client.count('pubrec', 2);
    client.send({ cmd: 'pubrel', messageId: 9 });
    await client.next('pubcomp');
    client.send(publishPacket('b', 2, 9));
    await client.count('pubrec', 3);
    expect(inbox.texts).toEqual(['a', 'b']);
  });

  test('the last will of a client reaches the node', async () => {
    const inbox = createInbox();
    await bus.subscribe('state/+', { qos: 1 }, inbox.handler);
    const will = {
      topic: 'state/raw',
      payload: Buffer.from('gone'),
      qos: 1 as const,
      retain: true,
    };
    const client = await openRawClient({ port: bus.port, connect: { will } });
    client.socket.destroy();
    await inbox.count(1);
    expect(inbox.texts).toEqual(['gone']);
  });
});

describe('limits', () => {
  test.each([4, 5] as const)(
    'a payload over the limit closes only its connection (version %i)',
    async (version) => {
      await reopen({ payloadBytesMax: 1_000_000 });
      const inbox = createInbox();
      await bus.subscribe('a', { qos: 1 }, inbox.handler);
      const good = await openRawClient({ port: bus.port, clientId: 'good' });
      const bad = await openRawClient({ port: bus.port, version });
      bad.send({ ...publishPacket('a', 1, 1), payload: Buffer.alloc(2_000_000) } as Packet);
      await bad.closed;
      good.send(publishPacket('a', 1, 1));
      await good.next('puback');
      expect(inbox.texts).toEqual(['a']);
      expect(problems.map(({ code }) => code)).toContain('closed');
    },
  );

  test('a payload of the node over the limit is refused', async () => {
    await reopen({ payloadBytesMax: 10 });
    await expect(bus.publish(text('a', '12345678901'))).rejects.toMatchObject({
      code: 'payload-too-large',
    });
  });

  test('a connection over the limit is closed, and one that leaves makes room', async () => {
    await reopen({ connectionsMax: 1 });
    const first = await openRawClient({ port: bus.port });
    const second = await openRawClient({ port: bus.port, connect: 'none' });
    await second.closed;
    expect(problems.map(({ code }) => code)).toEqual(['overflow']);
    first.socket.destroy();
    while (bus.connections > 0) await new Promise((resolve) => setImmediate(resolve));
    await openRawClient({ port: bus.port });
  });

  test('a client that does not read loses QoS 0 messages, and holds up nobody', async () => {
    const stuck = await openRawClient({ port: bus.port, clientId: 'stuck' });
    const reader = await openRawClient({ port: bus.port, clientId: 'reader' });
    for (const client of [stuck, reader]) {
      client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: '#', qos: 0 }] });
      await client.next('suback');
    }
    stuck.socket.pause();
    const payload = Buffer.alloc(1024 * 1024);
    for (let sent = 1; sent <= 64; sent += 1) {
      await bus.publish({ topic: 'big', payload, qos: 0, retain: false });
      await reader.count('publish', sent);
    }
    stuck.socket.resume();
    await bus.publish(text('end', 'end', 0));
    await reader.count('publish', 65);
    const got = stuck.packets.filter(({ cmd }) => cmd === 'publish').length;
    expect(got).toBeLessThan(40);
    expect(bus.connections).toBe(2);
  });
});

describe('closing', () => {
  test('what was published for a client still reaches it', async () => {
    const reader = await openRawClient({ port: bus.port });
    reader.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: '#', qos: 0 }] });
    await reader.next('suback');
    const payload = Buffer.alloc(4 * 1024 * 1024, 1);
    await bus.publish({ topic: 'last', payload, qos: 0, retain: false });
    await bus[Symbol.asyncDispose]();
    const got = await reader.next('publish');
    expect('payload' in got && got.payload.length).toBe(payload.length);
    await reader.closed;
  });

  test('a client that does not read cannot hold it up for long', async () => {
    const stuck = await openRawClient({ port: bus.port });
    stuck.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: '#', qos: 0 }] });
    await stuck.next('suback');
    stuck.socket.pause();
    for (let sent = 0; sent < 8; sent += 1) {
      const payload = Buffer.alloc(1024 * 1024);
      await bus.publish({ topic: 'big', payload, qos: 0, retain: false });
    }
    await bus[Symbol.asyncDispose]();
    expect(bus.connections).toBe(0);
    stuck.socket.destroy();
  });
});

describe('MQTT over WebSocket', () => {
  let web: Server;
  let port: number;
  beforeEach(async () => {
    web = createHttpServer((_, response) => response.end('page'));
    await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
    const address = web.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    port = address.port;
    bus.attachWebSocket(web, { originsAllowed: ['https://panel.example'] });
  });
  afterEach(async () => {
    web.closeAllConnections();
    await new Promise((resolve) => web.close(resolve));
  });

  function attempt(path: string, headers: Record<string, string>): Promise<string> {
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, ['mqtt'], { headers });
    return new Promise((resolve) => {
      socket.once('open', () => {
        resolve(`open ${socket.protocol}`);
        socket.terminate();
      });
      socket.once('error', (error) => resolve(error.message));
    });
  }

  test.each([
    ['/mqtt', {}, 'open mqtt'],
    ['/mqtt?x=1', {}, 'open mqtt'],
    ['/mqtt', { origin: 'https://panel.example' }, 'open mqtt'],
    ['/mqtt', { origin: 'same' }, 'open mqtt'],
    ['/mqtt', { origin: 'https://elsewhere.example' }, 'Unexpected server response: 403'],
    ['/mqtt', { origin: 'null' }, 'Unexpected server response: 403'],
    ['/other', {}, 'Unexpected server response: 404'],
  ])('path %s with %j: %s', async (path, headers: { origin?: string }, expected) => {
    const origin = headers.origin === 'same' ? `http://127.0.0.1:${port}` : headers.origin;
    expect(await attempt(path, origin === undefined ? {} : { origin })).toBe(expected);
  });
});
