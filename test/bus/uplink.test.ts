import { readFile, rm } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { freePort } from '../../scripts/free-port.ts';
import { createAuthority } from '../harness/certificates.ts';
import { type Mosquitto, startMosquitto } from '../harness/mosquitto.ts';
import { connectTest, type TestClient } from '../harness/mqtt.ts';
import { startProxy } from '../harness/proxy.ts';
import { hasTool } from '../harness/tools.ts';
import {
  downRoute,
  openSite,
  type Site,
  type SiteOptions,
  until,
  upRoute,
} from './uplink-bench.ts';

const closers: (() => PromiseLike<void>)[] = [];
let hub: Mosquitto;

async function site(options: Omit<SiteOptions, 'url'> & { readonly url?: string } = {}) {
  const opened = await openSite({ url: hub.url, ...options });
  closers.push(() => opened[Symbol.asyncDispose]());
  return opened;
}

async function listen(...filters: string[]): Promise<TestClient> {
  const client = await connectTest(hub.url, filters);
  closers.push(() => client[Symbol.asyncDispose]());
  return client;
}

function expectSums({ uplink }: Site): void {
  for (const { emitted, acked, queued, dropped } of Object.values(uplink.stats)) {
    const lost = Object.values(dropped).reduce((sum, count) => sum + count, 0);
    expect(emitted).toBe(acked + queued.messages + lost);
  }
}

describe.skipIf(!hasTool('mosquitto'))('an uplink to mosquitto', { timeout: 60_000 }, () => {
  beforeEach(async () => {
    hub = await startMosquitto();
    closers.push(() => hub.remove());
  });

  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });

  test('messages of a route go up with their properties, under another prefix', async () => {
    const far = await listen('sites/berlin/#');
    const prefix = { local: 'up/', remote: 'sites/berlin/' };
    const near = await site({ up: [upRoute('up/#', { prefix })] });
    await near.publish('up/a', 'one', { properties: { contentType: 'text/plain' } });
    await near.publish('elsewhere/a', 'two');
    const { topic, payload, packet } = await far.next(() => true);
    expect([topic, payload.toString(), packet.qos]).toEqual(['sites/berlin/a', 'one', 1]);
    expect(packet.properties).toMatchObject({
      contentType: 'text/plain',
      userProperties: { 'ledge-via': 'test' },
    });
    await until(() => near.uplink.stats.telemetry.acked === 1);
    expectSums(near);
  });

  test('a broker that is down at boot gets everything later, in order, marked as replayed', async () => {
    await hub.stop();
    const near = await site();
    for (let at = 0; at < 50; at += 1) await near.publish(`up/${at % 3}`, String(at));
    expect(near.uplink.state).toMatchObject({
      connected: false,
      queued: { telemetry: { messages: 50 } },
    });
    await hub.start();
    const far = await listen('up/#');
    await far.count(50);
    for (const topic of ['up/0', 'up/1', 'up/2']) {
      const numbers = far.received.filter((one) => one.topic === topic).map(numberOf);
      expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
    }
    const marks = far.received[0]?.packet.properties?.userProperties;
    expect(marks).toMatchObject({ replayed: 'true', ts: expect.stringMatching(/^\d{13}$/) });
    await until(() => near.uplink.state.queued.telemetry.messages === 0);
    expectSums(near);
  });

  test('a node that was killed sends what it had, and nothing twice that was acknowledged', async () => {
    const far = await listen('up/#');
    const first = await site();
    await first.publish('up/a', '1');
    await until(() => first.uplink.stats.telemetry.acked === 1);
    await hub.stop();
    for (const at of [2, 3, 4]) await first.publish('up/a', String(at));
    await first.crash();
    closers.push(() => rm(first.folder, { recursive: true, force: true }));
    await hub.start();
    const again = await listen('up/#');
    const second = await site({ folder: first.folder });
    await again.count(3);
    await until(() => second.uplink.stats.telemetry.acked >= 4);
    expect(far.received.map(textOf)).toEqual(['1']);
    expect([...new Set(again.received.map(textOf))].sort()).toEqual(
      expect.arrayContaining(['2', '3', '4']),
    );
    expectSums(second);
  });

  test('a broker that stops and comes back empty in mid-flight loses nothing', async () => {
    const arrived = new Set<string>();
    const near = await site();
    for (let round = 0; round < 3; round += 1) {
      const far = await listen('up/#');
      for (let at = 0; at < 200; at += 1) await near.publish('up/a', `${round} ${at}`);
      await far.count(20);
      await far[Symbol.asyncDispose]();
      for (const one of far.received) arrived.add(textOf(one));
      await hub.stop();
      await near.publish('up/a', `${round} away`);
      await hub.start();
    }
    const far = await listen('up/#');
    await until(() => near.uplink.state.queued.telemetry.messages === 0);
    for (const one of far.received) arrived.add(textOf(one));
    expect(near.uplink.stats.telemetry).toMatchObject({ emitted: 603, acked: 603, dropped: {} });
    expectSums(near);
  });

  test('a connection cut again and again loses nothing and keeps the order of a topic', async () => {
    const proxy = await startProxy(hub.port);
    closers.push(() => proxy.remove());
    const far = await listen('up/#');
    const near = await site({ url: proxy.url });
    for (let at = 0; at < 400; at += 1) {
      await near.publish(`up/${at % 4}`, String(at));
      if (at % 80 === 79) proxy.cut();
    }
    await until(() => near.uplink.state.queued.telemetry.messages === 0);
    const firsts = new Map<string, number[]>();
    const seen = new Set<number>();
    for (const one of far.received) {
      if (seen.has(numberOf(one))) continue;
      seen.add(numberOf(one));
      firsts.set(one.topic, [...(firsts.get(one.topic) ?? []), numberOf(one)]);
    }
    expect(seen.size).toBe(400);
    for (const numbers of firsts.values())
      expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
    expectSums(near);
  });

  test('what came down does not go up again, and what went up does not come down', async () => {
    const far = await listen('shared/#');
    const near = await site({ up: [upRoute('shared/#')], down: [downRoute('shared/#')] });
    const local = await connectTest(near.bus.address, ['shared/#']);
    closers.push(() => local[Symbol.asyncDispose]());
    await far.client.publishAsync('shared/down', 'from above', { qos: 1 });
    await near.publish('shared/up', 'from below');
    await local.count(2);
    await far.count(2);
    await near.publish('shared/end', 'end');
    await far.next(({ topic }) => topic === 'shared/end');
    expect(local.received.map(textOf).sort()).toEqual(['end', 'from above', 'from below']);
    expect(far.received.map(textOf).sort()).toEqual(['end', 'from above', 'from below']);
    expect(near.uplink.stats.telemetry.emitted).toBe(2);
  });

  test('MQTT 3.1.1 has no mark for it, and still no loop', async () => {
    const far = await listen('shared/#');
    const near = await site({
      up: [upRoute('shared/#')],
      down: [downRoute('shared/#')],
      client: { protocol: '3.1.1' },
    });
    const local = await connectTest(near.bus.address, ['shared/#']);
    closers.push(() => local[Symbol.asyncDispose]());
    await near.publish('shared/up', 'from below');
    await until(() => near.uplink.state.down.dropped.echo === 1);
    await far.client.publishAsync('shared/down', 'from above', { qos: 1 });
    await local.count(2);
    expect(near.uplink.state.protocol).toBe('3.1.1');
    expect(local.received.map(textOf)).toEqual(['from below', 'from above']);
    expect(far.received.map(textOf)).toEqual(['from below', 'from above']);
  });

  test('two nodes at one hub pass a message on once', async () => {
    const routes = { up: [upRoute('room/#')], down: [downRoute('room/#')] };
    const one = await site({ ...routes, node: 'one' });
    const two = await site({ ...routes, node: 'two' });
    const far = await listen('room/#');
    const atTwo = await connectTest(two.bus.address, ['room/#']);
    closers.push(() => atTwo[Symbol.asyncDispose]());
    for (const at of [1, 2, 3]) await one.publish('room/a', String(at));
    await atTwo.count(3);
    await two.publish('room/end', 'end');
    await far.next(({ topic }) => topic === 'room/end');
    expect(far.received.map(textOf)).toEqual(['1', '2', '3', 'end']);
    expect(atTwo.received.map(textOf)).toEqual(['1', '2', '3', 'end']);
  });

  test('a broker that has forgotten the node gets its retained state again', async () => {
    const retained = { up: [upRoute('state/#', { class: 'state', retain: true })] };
    const near = await site(retained);
    for (const [at, text] of ['old', 'new'].entries()) {
      await near.publish(`state/a`, text, { retain: true });
      await near.publish(`state/b`, String(at), { retain: true });
    }
    await until(() => near.uplink.state.queued.state.messages === 0);
    await hub.stop();
    await hub.start();
    const far = await connectTest(hub.url, []);
    closers.push(() => far[Symbol.asyncDispose]());
    await until(() => near.uplink.state.connected);
    await far.client.subscribeAsync('state/#', { qos: 1 });
    const values = () => Object.fromEntries(far.received.map((one) => [one.topic, textOf(one)]));
    await until(() => Object.keys(values()).length === 2);
    expect(values()).toEqual({ 'state/a': 'new', 'state/b': '1' });
  });

  test('a retained state that comes down stays one here', async () => {
    const far = await listen();
    await far.client.publishAsync('set/point', '21', { qos: 1, retain: true });
    const near = await site({ up: [], down: [downRoute('set/#')] });
    await until(() => near.uplink.state.down.delivered === 1);
    await far.client.publishAsync('set/point', '22', { qos: 1, retain: true });
    await until(() => near.uplink.state.down.delivered === 2);
    const late = await connectTest(near.bus.address, ['set/#']);
    closers.push(() => late[Symbol.asyncDispose]());
    const { payload, packet } = await late.next(() => true);
    expect([payload.toString(), packet.retain]).toEqual(['22', true]);
  });

  test.skipIf(!hasTool('openssl'))('TLS with certificates of an own authority works', async () => {
    const authority = await createAuthority();
    closers.push(() => authority.remove());
    const server = await authority.issue('localhost');
    const edge = await authority.issue('edge');
    const port = await freePort();
    const tls = await startMosquitto({
      config: [
        'user root',
        `listener ${port} 127.0.0.1`,
        `cafile ${authority.caFile}`,
        `certfile ${server.certFile}`,
        `keyfile ${server.keyFile}`,
        'require_certificate true',
      ],
    });
    closers.push(() => tls.remove());
    const url = `mqtts://127.0.0.1:${port}`;
    const ca = await readFile(authority.caFile, 'utf8');
    const certificate = {
      cert: await readFile(edge.certFile, 'utf8'),
      key: await readFile(edge.keyFile, 'utf8'),
    };
    const near = await site({ url, client: { ca, certificate } });
    await near.publish('up/a', 'secret');
    await until(() => near.uplink.stats.telemetry.acked === 1);
    const nobody = await site({ url, node: 'nobody', client: { ca } });
    expect(nobody.uplink.state.connected).toBe(false);
    const trusting = await site({ url, node: 'trusting', client: { certificate } });
    expect(trusting.uplink.state.connected).toBe(false);
    expect(trusting.problems[0]).toMatch(/SELF_SIGNED|UNABLE_TO|certificate/i);
  });

  test('the remote status is the last will of the node, and its state is told here', async () => {
    const far = await listen('ledge/test/bridge/uplink-state');
    const proxy = await startProxy(hub.port);
    closers.push(() => proxy.remove());
    const near = await site({ url: proxy.url });
    await far.next(({ json }) => json.state === 'online');
    const local = await connectTest(near.bus.address, ['ledge/test/bridge/uplink']);
    closers.push(() => local[Symbol.asyncDispose]());
    await local.next(({ json }) => json.connected === true);
    // Before it was connected for the first time it told so, too.
    const before = local.received.length;
    await proxy.remove();
    await far.next(({ json }) => json.state === 'offline');
    const told = await local.next(
      (message) => local.received.indexOf(message) >= before && message.json.connected === false,
    );
    expect(told.json).toMatchObject({
      reason: expect.stringMatching(/\S/),
      since: expect.any(Number),
    });
    // Whoever comes later is told as well.
    const late = await connectTest(near.bus.address, ['ledge/test/bridge/uplink']);
    closers.push(() => late[Symbol.asyncDispose]());
    const kept = await late.next(({ packet }) => packet.retain);
    expect(kept.json.connected).toBe(false);
  });
});

function textOf({ payload }: { readonly payload: Buffer }): string {
  return payload.toString();
}

function numberOf(message: { readonly payload: Buffer }): number {
  return Number(textOf(message));
}
