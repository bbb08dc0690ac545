import { expect, test } from 'vitest';
import { openBroker } from '../../src/bus/broker.ts';
import { openClient } from '../../src/bus/client.ts';
import { createInbox } from '../harness/inbox.ts';
import { startMosquitto } from '../harness/mosquitto.ts';
import { connectTest } from '../harness/mqtt.ts';
import { openRawClient, type RawClient } from '../harness/raw-client.ts';
import { hasTool } from '../harness/tools.ts';

function send(client: RawClient, messageId: number, qos: 0 | 1 | 2): void {
  const payload = Buffer.from(`${messageId}`);
  const plain = { cmd: 'publish', topic: 'in/a', payload, retain: false, dup: false } as const;
  client.send(qos === 0 ? { ...plain, qos } : { ...plain, qos, messageId });
}

test.each([1, 2] as const)(
  'after hold the broker takes nothing of QoS %d, and nobody is acknowledged',
  async (qos) => {
    await using bus = await openBroker({ port: 0 });
    const inbox = createInbox();
    await bus.subscribe('in/#', { qos: 2 }, inbox.handler);
    const publisher = await openRawClient({ port: bus.port, clientId: 'publisher' });
    send(publisher, 1, qos);
    await publisher.next(qos === 1 ? 'puback' : 'pubrec');
    bus.hold();
    send(publisher, 2, qos);
    const other = await openRawClient({ port: bus.port, clientId: 'other' });
    send(other, 1, 0);
    await inbox.count(2);
    expect(inbox.texts).toEqual(['1', '1']);
    expect(await publisher.count(qos === 1 ? 'puback' : 'pubrec', 1)).toHaveLength(1);
  },
);

test('after hold what the node publishes still reaches its subscribers', async () => {
  await using bus = await openBroker({ port: 0 });
  await using subscriber = await connectTest(bus.address, ['out/#']);
  bus.hold();
  await bus.publish({ topic: 'out/a', payload: Buffer.from('x'), qos: 1, retain: false });
  expect((await subscriber.next(() => true)).topic).toBe('out/a');
});

test.skipIf(!hasTool('mosquitto'))(
  'a held client leaves what comes to its session at another broker (needs mosquitto)',
  async () => {
    const mosquitto = await startMosquitto();
    const publisher = await connectTest(mosquitto.url);
    const publish = (text: string) => publisher.client.publishAsync('in/a', text, { qos: 1 });
    try {
      const before = createInbox();
      await using first = await openClient({ url: mosquitto.url, clientId: 'node' });
      const subscription = await first.subscribe('in/#', { qos: 1 }, before.handler);
      await publish('before');
      await before.count(1);
      first.hold();
      await publish('while it drains');
      await subscription.close();
      await first[Symbol.asyncDispose]();
      await publish('while it is away');
      const after = createInbox();
      await using second = await openClient({
        ...{ url: mosquitto.url, clientId: 'node', start: 'later' },
      });
      await second.subscribe('in/#', { qos: 1 }, after.handler);
      await second.start();
      await after.count(2);
      expect(before.texts).toEqual(['before']);
      expect(after.texts).toEqual(['while it drains', 'while it is away']);
    } finally {
      await publisher.client.endAsync(true);
      await mosquitto.remove();
    }
  },
);
