import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type EmbeddedBus, openBroker } from '../../src/bus/broker.ts';
import { connectTest } from '../harness/mqtt.ts';

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
