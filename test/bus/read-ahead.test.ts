import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type EmbeddedBus, openBroker } from '../../src/bus/broker.ts';
import type { Delivery } from '../../src/bus/bus.ts';
import { connectWire, type WireClient } from '../harness/wire-client.ts';

let bus: EmbeddedBus;
let client: WireClient;
const came: Delivery[] = [];

beforeEach(async () => {
  came.length = 0;
  bus = await openBroker({ port: 0 });
  await bus.subscribe('events/#', { qos: 1 }, (delivery) => came.push(delivery));
  client = await connectWire(bus.port, { version: 4 });
});
afterEach(async () => {
  client.cut();
  await bus[Symbol.asyncDispose]();
});

/** Sends messages one by one, each in a packet of its own on the wire. */
async function send(count: number, bytes: number, qos: 0 | 1 = 1): Promise<void> {
  for (let messageId = 1; messageId <= count; messageId += 1) {
    const payload = Buffer.alloc(bytes, messageId);
    const flags = { cmd: 'publish', qos, dup: false, retain: false } as const;
    const id = qos === 0 ? {} : { messageId };
    client.send({ ...flags, topic: 'events/a', ...id, payload });
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Resolves once nothing has come for some turns of the network. */
async function standstill(): Promise<number> {
  for (let before = -1; before !== came.length; ) {
    before = came.length;
    for (let turn = 0; turn < 200; turn += 1) await new Promise((done) => setImmediate(done));
  }
  return came.length;
}

describe('a client whose messages wait for their place', () => {
  test('is read on, and answered in its order whatever is ready first', async () => {
    await send(100, 10);
    await expect.poll(() => came.length).toBe(100);
    for (const delivery of [...came].reverse()) delivery.accept();
    for (let messageId = 1; messageId <= 100; messageId += 1) {
      expect((await client.take('puback')).messageId).toBe(messageId);
    }
  });

  test.each([
    ['many messages', 1, 2_000, 200, 256],
    ['large messages', 1, 100, 100_000, 512 * 1024],
    ['many messages', 0, 2_000, 200, 256],
  ] as const)('is held back beyond a limit: %s of QoS %i', async (_, qos, count, bytes, most) => {
    void send(count, bytes, qos);
    await expect.poll(() => came.length).toBeGreaterThan(1);
    const read = await standstill();
    // What one reading of the socket brings comes whole.
    const limit = bytes > 1_000 ? (most + 2 * 65_536) / bytes : most + 65_536 / bytes;
    expect(read).toBeLessThanOrEqual(limit);
    expect(read).toBeLessThan(count);
    let next = 0;
    while (next < count) {
      await expect.poll(() => came.length).toBeGreaterThan(next);
      while (next < came.length) came[next++]?.accept();
    }
    expect(came.map(({ message }) => message.payload[0])).toEqual(
      Array.from({ length: count }, (_, at) => (at + 1) & 255),
    );
  });
});
