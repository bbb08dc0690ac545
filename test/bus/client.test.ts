import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { freePort } from '../../scripts/free-port.ts';
import type { Bus, BusState, Message } from '../../src/bus/bus.ts';
import { type ClientOptions, type ExternalBus, openClient } from '../../src/bus/client.ts';
import type { LedgeError } from '../../src/std/error.ts';
import { createInbox } from '../harness/inbox.ts';
import { type Mosquitto, startMosquitto } from '../harness/mosquitto.ts';
import { type MqttProxy, type Refusal, startProxy } from '../harness/proxy.ts';
import { hasTool } from '../harness/tools.ts';

const opened: Array<() => Promise<void>> = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

async function client(options: ClientOptions): Promise<ExternalBus> {
  const bus = await openClient(options);
  opened.push(async () => bus[Symbol.asyncDispose]());
  return bus;
}

function reached(bus: Bus, wanted: BusState): Promise<void> {
  if (bus.state === wanted) return Promise.resolve();
  return new Promise((resolve) => {
    const stop = bus.onState((state) => {
      if (state !== wanted) return;
      stop();
      resolve();
    });
  });
}

function text(topic: string, payload: string, qos: 0 | 1 | 2 = 1): Message {
  return { topic, payload: Buffer.from(payload), qos, retain: false };
}

describe('a client without a broker', () => {
  test('opens, and tells the problem once', async () => {
    const problems: LedgeError[] = [];
    const bus = await client({
      url: `mqtt://127.0.0.1:${await freePort()}`,
      onProblem: (problem) => problems.push(problem),
    });
    expect(bus.state).toBe('offline');
    expect(problems.map(({ code, retriable }) => ({ code, retriable }))).toEqual([
      { code: 'unavailable', retriable: true },
    ]);
    expect(problems[0]?.message).toContain('ECONNREFUSED');
  });

  test('fails with overflow over its limits, and with closed for what waits at the end', async () => {
    const url = `mqtt://127.0.0.1:${await freePort()}`;
    const few = await client({ url, queueMessagesMax: 2 });
    const waiting = [few.publish(text('a', '1', 0)), few.publish(text('a', '2', 1))];
    const settled = Promise.allSettled(waiting);
    await expect(few.publish(text('a', '3'))).rejects.toMatchObject({ code: 'overflow' });
    await few[Symbol.asyncDispose]();
    expect((await settled).map((end) => end.status === 'rejected' && end.reason.code)).toEqual([
      'closed',
      'closed',
    ]);
    const small = await client({ url, queueBytesMax: 10 });
    small.publish(text('a', '12345678')).catch(() => {});
    await expect(small.publish(text('a', '123'))).rejects.toMatchObject({ code: 'overflow' });
  });

  test.each(['http://a', 'mqtt:', 'nonsense', 'mqtt://user:secret@'])(
    'URL %j is refused without being repeated',
    async (url) => {
      const problem = await openClient({ url }).catch((error: LedgeError) => error);
      expect(problem).toMatchObject({ code: 'config-invalid' });
      expect((problem as LedgeError).message).not.toContain('secret');
    },
  );

  test('the address shows no credentials', async () => {
    const port = await freePort();
    const bus = await client({ url: `mqtt://user:secret@127.0.0.1:${port}` });
    expect(bus.address).toBe(`mqtt://127.0.0.1:${port}`);
  });
});

describe.skipIf(!hasTool('mosquitto'))('client and mosquitto (skipped without mosquitto)', () => {
  let mosquitto: Mosquitto;
  let other: ExternalBus;
  beforeEach(async () => {
    mosquitto = await startMosquitto();
    opened.push(() => mosquitto.remove());
    other = await client({ url: mosquitto.url });
  });

  async function proxied(refusal?: Refusal): Promise<MqttProxy> {
    const proxy = await startProxy(mosquitto.port, refusal);
    opened.push(() => proxy.remove());
    return proxy;
  }

  test('a broker that comes later gets what was published, in order', async () => {
    const late = await startMosquitto({ begin: 'off' });
    opened.push(() => late.remove());
    const bus = await client({ url: late.url });
    const inbox = createInbox();
    await bus.subscribe('a', { qos: 1 }, inbox.handler);
    const sent = ['1', '2', '3'].map((payload) => bus.publish(text('a', payload)));
    await late.start();
    await Promise.all(sent);
    await inbox.count(3);
    expect(inbox.texts).toEqual(['1', '2', '3']);
  });

  test('a broker that comes back empty is subscribed to again', async () => {
    const inbox = createInbox();
    const bus = await client({ url: mosquitto.url, clientId: 'node' });
    await bus.subscribe('a/+', { qos: 1 }, inbox.handler);
    await mosquitto.stop();
    await reached(bus, 'offline');
    await bus.subscribe('b/+', { qos: 2 }, inbox.handler);
    await mosquitto.start();
    await Promise.all([reached(bus, 'online'), reached(other, 'online')]);
    await other.publish(text('a/x', 'a'));
    await other.publish(text('b/x', 'b'));
    await inbox.count(2);
    expect(inbox.texts).toEqual(['a', 'b']);
  });

  test.each<Refusal>(['code 0x84', 'code 1', 'hang up'])(
    'a broker that answers MQTT 5 with %s is spoken to in 3.1.1',
    async (refusal) => {
      const proxy = await proxied(refusal);
      const problems: LedgeError[] = [];
      const bus = await client({ url: proxy.url, onProblem: (problem) => problems.push(problem) });
      expect([bus.state, bus.protocol, [...proxy.levels], problems]).toEqual([
        'online',
        '3.1.1',
        [5, 4],
        [],
      ]);
      proxy.cut();
      await reached(bus, 'offline');
      await reached(bus, 'online');
      // Words are believed for good; a hang-up may have been an accident.
      expect(proxy.levels.slice(2)).toEqual(refusal === 'hang up' ? [5, 4] : [4]);
    },
  );

  test('an unsettled QoS 1 message comes again; its old settlement does not answer it', async () => {
    const proxy = await proxied();
    const bus = await client({ url: proxy.url, clientId: 'node' });
    const inbox = createInbox('accept');
    await bus.subscribe('a', { qos: 1 }, inbox.handler);
    await other.publish(text('a', 'x'));
    for (const copies of [1, 2, 3]) {
      await inbox.count(copies);
      proxy.cut();
      await reached(bus, 'offline');
      for (const stale of inbox.deliveries) stale.settle();
      await reached(bus, 'online');
    }
    await inbox.count(4);
    inbox.deliveries[3]?.settle();
    await other.publish(text('a', 'end'));
    await inbox.count(5);
    expect(inbox.texts).toEqual(['x', 'x', 'x', 'x', 'end']);
  });

  test('an unsettled QoS 2 message is given once, and settled on the next connection', async () => {
    const proxy = await proxied();
    const bus = await client({ url: proxy.url, clientId: 'node' });
    const inbox = createInbox('accept');
    await bus.subscribe('a', { qos: 2 }, inbox.handler);
    await other.publish(text('a', 'x', 2));
    await inbox.count(1);
    for (const moment of ['unsettled', 'settled']) {
      proxy.cut();
      await reached(bus, 'offline');
      if (moment === 'settled') inbox.deliveries[0]?.settle();
      await reached(bus, 'online');
    }
    await other.publish(text('a', 'end', 2));
    await inbox.count(2);
    expect(inbox.texts).toEqual(['x', 'end']);
  });

  test('what the node missed while it was off comes at its next start', async () => {
    const before = await client({ url: mosquitto.url, clientId: 'node' });
    await before.subscribe('a', { qos: 1 }, createInbox().handler);
    await before[Symbol.asyncDispose]();
    await other.publish(text('a', 'missed'));
    const inbox = createInbox();
    const after = await client({ url: mosquitto.url, clientId: 'node', start: 'later' });
    await after.subscribe('a', { qos: 1 }, inbox.handler);
    await after.start();
    await inbox.count(1);
    expect(inbox.texts).toEqual(['missed']);
  });

  test('the last will is published when the connection breaks, not when it is closed', async () => {
    const inbox = createInbox();
    await other.subscribe('state/+', { qos: 1 }, inbox.handler);
    const will = (id: string) => ({ ...text(`state/${id}`, 'offline'), retain: true });
    const proxy = await proxied();
    const closed = await client({ url: mosquitto.url, will: will('closed') });
    await client({ url: proxy.url, will: will('broken') });
    await closed[Symbol.asyncDispose]();
    proxy.cut();
    await inbox.count(1);
    expect(inbox.messages.map(({ topic }) => topic)).toEqual(['state/broken']);
  });

  test('a refused login is told without the password, and the client goes on trying', async () => {
    const strict = await startMosquitto({ config: ['allow_anonymous false'] });
    opened.push(() => strict.remove());
    const problems: LedgeError[] = [];
    const bus = await client({
      url: strict.url,
      username: 'user',
      password: 'secret',
      onProblem: (problem) => problems.push(problem),
    });
    expect(bus.state).toBe('offline');
    expect(problems[0]?.message).toMatch(/refuses the connection \(code (135|134|5)\)/);
    expect(
      JSON.stringify(problems.map((problem) => [problem.message, problem.context])),
    ).not.toContain('secret');
  });
});
