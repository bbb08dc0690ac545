import { execFile, spawn } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import { promisify } from 'node:util';
import { connect, connectAsync, type MqttClient } from 'mqtt';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type EmbeddedBus, openBroker } from '../../src/bus/broker.ts';
import { openClient } from '../../src/bus/client.ts';
import { createInbox } from '../harness/inbox.ts';
import { hasTool } from '../harness/tools.ts';

const run = promisify(execFile);

let bus: EmbeddedBus;
let web: Server;
let urls: { tcp: string; web: string };

beforeEach(async () => {
  bus = await openBroker({ port: 0 });
  web = createServer();
  bus.attachWebSocket(web);
  await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
  const address = web.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  urls = { tcp: bus.address, web: `ws://127.0.0.1:${address.port}/mqtt` };
});
afterEach(async () => {
  await bus[Symbol.asyncDispose]();
  web.closeAllConnections();
  await new Promise((resolve) => web.close(resolve));
});

describe('mqtt.js and the embedded broker', () => {
  const cases = (['tcp', 'web'] as const).flatMap((way) =>
    ([4, 5] as const).flatMap((version) =>
      ([0, 1, 2] as const).map((qos) => ({ way, version, qos })),
    ),
  );
  test.each(cases)('exchange messages: $way, version $version, QoS $qos', async (how) => {
    const { way, version, qos } = how;
    const inbox = createInbox();
    await bus.subscribe('up/+', { qos }, inbox.handler);
    const client: MqttClient = await connectAsync(urls[way], { protocolVersion: version });
    const answered = new Promise<[string, string, number]>((resolve) => {
      client.on('message', (topic, payload, packet) =>
        resolve([topic, payload.toString(), packet.qos]),
      );
    });
    await client.subscribeAsync('down/+', { qos });
    const properties = { contentType: 'text/plain', correlationData: Buffer.from([1, 2]) };
    await client.publishAsync('up/a', Buffer.alloc(100_000, 'x'), { qos, properties });
    const [got] = await inbox.count(1);
    expect([got?.topic, got?.payload.length, got?.qos, got?.properties?.contentType]).toEqual([
      'up/a',
      100_000,
      qos,
      version === 5 ? 'text/plain' : undefined,
    ]);
    await bus.publish({ topic: 'down/a', payload: Buffer.from('y'), qos, retain: false });
    expect(await answered).toEqual(['down/a', 'y', qos]);
    await client.endAsync();
  });

  test('a client that comes back to its session gets all that it missed, in order', async () => {
    const options = {
      protocolVersion: 5 as const,
      clientId: 'device',
      clean: false,
      properties: { sessionExpiryInterval: 600 },
    };
    const before = await connectAsync(urls.tcp, options);
    await before.subscribeAsync('down/+', { qos: 1 });
    await before.endAsync();
    for (let at = 0; at < 1_200; at += 1) {
      await bus.publish({ topic: 'down/a', payload: Buffer.from(`${at}`), qos: 1, retain: false });
    }
    const got: string[] = [];
    const after = connect(urls.tcp, options);
    await new Promise<void>((resolve) => {
      after.on('message', (topic, payload) => {
        if (topic === 'down/end') resolve();
        else got.push(payload.toString());
      });
      after.once('connect', async () => {
        while (got.length < 1_200) await new Promise((wake) => setImmediate(wake));
        await bus.publish({ topic: 'down/end', payload: Buffer.alloc(1), qos: 1, retain: false });
      });
    });
    expect(got).toEqual(Array.from({ length: 1_200 }, (_, at) => `${at}`));
    await after.endAsync();
  });
});

describe("the node's client and the embedded broker", () => {
  test('exchange messages over WebSocket', async () => {
    const client = await openClient({ url: urls.web });
    const inbox = createInbox();
    await client.subscribe('a/#', { qos: 1 }, inbox.handler);
    await bus.publish({ topic: 'a/b', payload: Buffer.alloc(200_000), qos: 1, retain: false });
    await client.publish({ topic: 'a/c', payload: Buffer.alloc(300_000), qos: 2, retain: false });
    const got = await inbox.count(2);
    expect(got.map(({ payload }) => payload.length)).toEqual([200_000, 300_000]);
    expect([client.address, client.protocol]).toEqual([urls.web, '5']);
    await client[Symbol.asyncDispose]();
  });
});

describe.skipIf(!hasTool('mosquitto_pub') || !hasTool('mosquitto_sub'))(
  'mosquitto_pub and mosquitto_sub (skipped without mosquitto-clients)',
  () => {
    const versions = ['mqttv311', 'mqttv5'] as const;
    test.each(versions)('mosquitto_pub reaches the node with %s', async (version) => {
      const inbox = createInbox();
      await bus.subscribe('up/+', { qos: 2 }, inbox.handler);
      const where = ['-h', '127.0.0.1', '-p', `${bus.port}`, '-V', version];
      for (const qos of ['0', '1', '2']) {
        await run('mosquitto_pub', [...where, '-t', `up/${qos}`, '-m', qos, '-q', qos]);
      }
      const got = await inbox.count(3);
      expect(got.map(({ topic, qos }) => [topic, qos])).toEqual([
        ['up/0', 0],
        ['up/1', 1],
        ['up/2', 2],
      ]);
    });

    test.each(versions)('the node reaches mosquitto_sub with %s', async (version) => {
      for (const topic of ['down/a', 'down/b']) {
        await bus.publish({ topic, payload: Buffer.from(topic), qos: 1, retain: true });
      }
      const where = ['-h', '127.0.0.1', '-p', `${bus.port}`, '-V', version];
      const child = spawn('mosquitto_sub', [...where, '-t', 'down/+', '-q', '1', '-C', '2']);
      let said = '';
      child.stdout.on('data', (chunk: Buffer) => {
        said += chunk.toString();
      });
      await new Promise((resolve) => child.once('close', resolve));
      expect(said.trim().split('\n')).toEqual(['down/a', 'down/b']);
    });
  },
);
