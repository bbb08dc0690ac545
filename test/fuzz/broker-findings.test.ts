import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type EmbeddedBus, openBroker } from '../../src/bus/broker.ts';
import { connectTest, type TestClient } from '../harness/mqtt.ts';

// What `npm run fuzz -- --target broker` found, each mended.

let bus: EmbeddedBus;
beforeEach(async () => {
  bus = await openBroker({ host: '127.0.0.1', port: 0 });
});
afterEach(() => bus[Symbol.asyncDispose]());

describe.each([4, 5] as const)('a session of MQTT version %i', (protocolVersion) => {
  test('with a filter called __proto__ among others is resumed with all of them', async () => {
    const options = {
      clientId: 'keeps',
      clean: false,
      protocolVersion,
      ...(protocolVersion === 5 && { properties: { sessionExpiryInterval: 600 } }),
    };
    const filters = ['a', '__proto__', 'constructor', '__proto__/b'];
    {
      await using first = await connectTest(bus.address, [], options);
      await first.client.subscribeAsync(filters, { qos: 1 });
    }
    await using again = await connectTest(bus.address, [], options);
    await using other = await connectTest(bus.address, [], { protocolVersion });
    for (const topic of filters) await other.client.publishAsync(topic, topic, { qos: 1 });
    const received = await again.count(filters.length);
    expect(received.map(({ payload }) => payload.toString())).toEqual(filters);
  });
});

test('clients that take no message as large are told of once each, also by what tells of them', async () => {
  const problems: string[] = [];
  const clients: TestClient[] = [];
  await using node = await openBroker({
    host: '127.0.0.1',
    port: 0,
    onProblem: ({ message }) => {
      problems.push(message);
      // As a node does with each line of its log.
      const payload = Buffer.from(message);
      void node.publish({ topic: 'log', payload, qos: 0, retain: false });
    },
  });
  for (let at = 0; at < 40; at += 1) {
    const properties = { maximumPacketSize: 20 };
    clients.push(await connectTest(node.address, ['#'], { clientId: `small-${at}`, properties }));
  }
  await using whole = await connectTest(node.address, ['log']);
  const payload = Buffer.alloc(100);
  await node.publish({ topic: 'any', payload, qos: 0, retain: false });
  await whole.count(clients.length);
  expect(new Set(problems).size).toBe(clients.length);
  expect(problems).toHaveLength(clients.length);
  for (const client of clients) await client[Symbol.asyncDispose]();
});
