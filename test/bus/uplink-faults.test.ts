import { createServer, type Server, type Socket } from 'node:net';
import mqttPacket, { type Packet } from 'mqtt-packet';
import { afterEach, describe, expect, test } from 'vitest';
import { startMosquitto } from '../harness/mosquitto.ts';
import { connectTest } from '../harness/mqtt.ts';
import { hasTool } from '../harness/tools.ts';
import { openSite, type SiteOptions, until, upRoute } from './uplink-bench.ts';

const closers: (() => PromiseLike<void> | void)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function site(options: SiteOptions) {
  const opened = await openSite(options);
  closers.push(() => opened[Symbol.asyncDispose]());
  return opened;
}

async function mosquitto(config: readonly string[] = []) {
  const hub = await startMosquitto({ config });
  closers.push(() => hub.remove());
  return hub;
}

async function client(url: string, filters: readonly string[]) {
  const opened = await connectTest(url, filters);
  closers.push(() => opened[Symbol.asyncDispose]());
  return opened;
}

/** A broker that answers each packet as the test says; nothing else. */
async function scripted(
  answer: (packet: Packet, reply: (packet: Packet) => void, socket: Socket) => void,
): Promise<{ readonly url: string; readonly server: Server; readonly connections: () => number }> {
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    sockets.add(socket);
    const parser = mqttPacket.parser({ protocolVersion: 5 });
    socket.on('data', (chunk) => parser.parse(chunk));
    socket.on('error', () => socket.destroy());
    const reply = (packet: Packet) => {
      socket.write(mqttPacket.generate(packet, { protocolVersion: 5 }));
    };
    parser.on('packet', (packet) => answer(packet, reply, socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as { port: number };
  return { url: `mqtt://127.0.0.1:${port}`, server, connections: () => connections };
}

const CONNACK = { cmd: 'connack', sessionPresent: false, reasonCode: 0 } as const;

describe.skipIf(!hasTool('mosquitto'))('an uplink, whatever mosquitto does', () => {
  test('a frozen broker is noticed, and gets everything again once it thaws', async () => {
    const hub = await mosquitto();
    const near = await site({ url: hub.url });
    await near.publish('up/a', 'before');
    await until(() => near.uplink.stats.telemetry.acked === 1);
    hub.freeze();
    for (let at = 0; at < 100; at += 1) await near.publish('up/a', String(at));
    await until(() => !near.uplink.state.connected);
    expect(near.problems.join('\n')).toMatch(/acknowledged nothing/);
    expect(near.uplink.state.reason).toMatch(/acknowledged nothing/);
    hub.thaw();
    const far = await client(hub.url, ['up/#']);
    await near.publish('up/a', 'last');
    await far.next(({ payload }) => payload.toString() === 'last');
    await until(() => near.uplink.state.queued.telemetry.messages === 0);
    expect(near.uplink.stats.telemetry).toMatchObject({ emitted: 102, acked: 102, dropped: {} });
  }, 60_000);

  test('a packet larger than the broker takes is a dead letter, the rest goes on', async () => {
    const hub = await mosquitto(['max_packet_size 2000']);
    const near = await site({ url: hub.url });
    const letters = await client(near.bus.address, ['ledge/test/bridge/uplink-dead-letter']);
    const far = await client(hub.url, ['up/#']);
    await near.publish('up/a', 'x'.repeat(1_800));
    await near.publish('up/a', 'y'.repeat(1_980));
    await near.publish('up/a', 'z');
    const { json } = await letters.next(() => true);
    expect(json).toMatchObject({
      topic: 'up/a',
      class: 'telemetry',
      reason: 'too-large',
      payloadBytes: 1_980,
      error: { context: { packetBytesMax: 2_000 } },
    });
    await far.count(2);
    await until(() => near.uplink.stats.telemetry.acked === 2);
    expect(near.uplink.stats.telemetry.dropped).toEqual({ 'too-large': 1 });
  }, 30_000);

  test('a password that is refused is told each time, and seldom tried', async () => {
    const hub = await mosquitto(['allow_anonymous false', 'password_file /dev/null']);
    const near = await site({
      url: hub.url,
      client: { username: 'edge', password: 'secret-word' },
    });
    await near.publish('up/a', '1');
    expect(near.uplink.state).toMatchObject({ connected: false });
    expect(near.problems).toHaveLength(1);
    expect(near.problems[0]).toMatch(/refuses the connection/);
    expect(JSON.stringify([near.problems, near.uplink.state])).not.toContain('secret-word');
  }, 30_000);

  test('thousands of messages go up while the backlog of others is replayed slowly', async () => {
    const hub = await mosquitto();
    await hub.stop();
    const near = await site({ url: hub.url, replayPerSecond: 50 });
    for (let at = 0; at < 100; at += 1) await near.publish(`up/old/${at}`, 'old');
    await hub.start();
    const far = await client(hub.url, ['up/#']);
    await until(() => near.uplink.state.connected);
    await near.publish('up/live', 'live');
    await far.next(({ topic }) => topic === 'up/live');
    const before = far.received.filter(({ topic }) => topic.startsWith('up/old')).length;
    expect(before).toBeLessThan(100);
    await far.count(101);
    const marked = far.received.filter(
      ({ packet }) => packet.properties?.userProperties?.replayed === 'true',
    );
    expect(marked).toHaveLength(100);
  }, 30_000);
});

describe('an uplink, whatever a broker does', () => {
  test('one that takes TCP and says nothing does not stop the node from keeping', async () => {
    const { url, connections } = await scripted(() => {});
    const near = await site({ url, client: { connectSeconds: 0.3 } });
    await near.publish('up/a', '1');
    await until(() => connections() >= 2);
    expect(near.uplink.state).toMatchObject({ connected: false });
    expect(near.uplink.stats.telemetry.queued.messages).toBe(1);
  }, 30_000);

  test('one that takes the connection and never acknowledges is cut, and asked again', async () => {
    let publishes = 0;
    const { url, connections } = await scripted((packet, reply) => {
      if (packet.cmd === 'connect') reply(CONNACK);
      if (packet.cmd === 'publish') publishes += 1;
    });
    const near = await site({ url, client: { ackSeconds: 0.3 } });
    await near.publish('up/a', '1');
    await until(() => connections() >= 3 && publishes >= 3);
    expect(near.uplink.stats.telemetry).toMatchObject({ acked: 0, dropped: {} });
  }, 30_000);

  test('its Receive Maximum bounds what is on its way, and is made use of', async () => {
    let most = 0;
    let open: (() => void)[] = [];
    let soon: NodeJS.Timeout | undefined;
    const acknowledge = () => {
      clearTimeout(soon);
      for (const one of open.splice(0)) one();
      open = [];
    };
    const { url } = await scripted((packet, reply) => {
      if (packet.cmd === 'connect') reply({ ...CONNACK, properties: { receiveMaximum: 3 } });
      if (packet.cmd !== 'publish') return;
      const messageId = packet.messageId as number;
      open.push(() => reply({ cmd: 'puback', messageId, reasonCode: 0 }));
      most = Math.max(most, open.length);
      clearTimeout(soon);
      soon = setTimeout(acknowledge, 30);
    });
    const near = await site({ url });
    for (let at = 0; at < 30; at += 1) await near.publish(`up/${at}`, 'x');
    await until(() => near.uplink.stats.telemetry.acked === 30);
    expect(most).toBe(3);
  }, 30_000);

  test('one message it refuses for good is a dead letter; one it postpones comes again', async () => {
    const seen: string[] = [];
    let postponed = 0;
    const { url } = await scripted((packet, reply) => {
      if (packet.cmd === 'connect') reply(CONNACK);
      if (packet.cmd !== 'publish') return;
      seen.push(packet.payload.toString());
      const messageId = packet.messageId as number;
      const later = packet.payload.toString() === 'later' && postponed === 0;
      if (later) postponed += 1;
      const never = packet.payload.toString() === 'never';
      reply({ cmd: 'puback', messageId, reasonCode: never ? 0x87 : later ? 0x97 : 0 });
    });
    const near = await site({ url });
    for (const text of ['first', 'never', 'later', 'last']) await near.publish('up/a', text);
    await until(() => near.uplink.state.queued.telemetry.messages === 0);
    expect(near.uplink.stats.telemetry).toMatchObject({ acked: 3, dropped: { refused: 1 } });
    expect(seen.lastIndexOf('later')).toBeLessThan(seen.lastIndexOf('last'));
  }, 30_000);

  test('one message it hangs up on each time is found out, the rest arrives', async () => {
    const arrived = new Set<string>();
    const { url } = await scripted((packet, reply, socket) => {
      if (packet.cmd === 'connect') reply(CONNACK);
      if (packet.cmd !== 'publish') return;
      if (packet.payload.toString() === 'poison') {
        socket.destroy();
        return;
      }
      arrived.add(packet.payload.toString());
      if (packet.qos > 0) {
        reply({ cmd: 'puback', messageId: packet.messageId as number, reasonCode: 0 });
      }
    });
    const near = await site({ url, up: [upRoute('up/#')], client: { backoffMsMax: 20 } });
    for (let at = 0; at < 20; at += 1) await near.publish('up/a', at === 7 ? 'poison' : `${at}`);
    await until(() => near.uplink.state.queued.telemetry.messages === 0);
    expect(arrived.size).toBeGreaterThanOrEqual(19);
    expect(near.uplink.stats.telemetry).toMatchObject({ acked: 19, dropped: { refused: 1 } });
  }, 60_000);
});
