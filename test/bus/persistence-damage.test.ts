import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Message } from '../../src/bus/bus.ts';
import type { Store, Write } from '../../src/store/store.ts';
import { type KeptBroker, openKeptBroker } from '../harness/kept-broker.ts';

let kept: KeptBroker;

beforeEach(async () => {
  kept = await openKeptBroker();
});
afterEach(() => kept[Symbol.asyncDispose]());

function text(payload: string, extra: Partial<Message> = {}): Message {
  return { topic: 'a', payload: Buffer.from(payload), qos: 1, retain: false, ...extra };
}

async function keysOf(store: Store, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const [key] of store.entries(prefix)) keys.push(key);
  return keys;
}

/** Puts other bytes in place of the value of the key at this place of an area. */
function damage(prefix: string, at: number, bytes: Uint8Array) {
  return async (store: Store): Promise<void> => {
    const key = (await keysOf(store, prefix))[at];
    if (key === undefined) throw new Error(`nothing under ${prefix}`);
    const write: Write = { kind: 'put', key, value: bytes };
    await store.write([write]);
  };
}

const DAMAGES: ReadonlyArray<[string, Uint8Array]> = [
  ['no bytes', new Uint8Array()],
  ['no msgpack', Uint8Array.of(0xc1, 1, 2, 3)],
  ['another record', Uint8Array.of(0x81, 0xa1, 0x61, 0x01)],
  ['a record cut short', Uint8Array.of(0x84, 0xa4, 0x6b)],
];

describe.each(DAMAGES)('%s', (_, bytes) => {
  beforeEach(async () => {
    const client = await kept.resume('one');
    await client.subscribe('a');
    client.cut();
    await kept.empty();
    for (const payload of ['first', 'second', 'third']) await kept.bus.publish(text(payload));
  });

  test('in place of a message: it is set aside and told, the others arrive', async () => {
    await kept.restart(damage('sessions/queue/', 1, bytes));
    expect(kept.problems.map(({ message }) => message).join()).toContain('damaged');
    const client = await kept.resume('one');
    expect(client.connack.sessionPresent).toBe(true);
    await client.message('a');
    const third = await client.message('a');
    expect(client.messages.map(({ payload }) => payload.toString())).toEqual(['first', 'third']);
    expect(third.payload.toString()).toBe('third');
    await kept.store.flush();
    expect(await keysOf(kept.store, 'damaged/sessions/queue/')).toHaveLength(1);
  });

  test('in place of a session: it is set aside with its messages, and another begins', async () => {
    await kept.restart(damage('sessions/meta/', 0, bytes));
    const client = await kept.resume('one');
    expect(client.connack.sessionPresent).toBe(false);
    await client.subscribe('a');
    await kept.bus.publish(text('new'));
    expect((await client.message('a')).payload.toString()).toBe('new');
    await kept.store.flush();
    expect(await keysOf(kept.store, 'damaged/sessions/')).toHaveLength(4);
  });

  test('in place of a retained message: the others are there', async () => {
    for (const topic of ['r/1', 'r/2', 'r/3']) {
      await kept.bus.publish(text(topic, { topic, retain: true }));
    }
    await kept.restart(damage('retained/', 0, bytes));
    expect(kept.bus.sessions.retainedMessages).toBe(2);
    expect(await keysOf(kept.store, 'damaged/retained/')).toHaveLength(1);
  });

  test('in place of a will: the broker opens and serves', async () => {
    const will = { topic: 'gone', payload: Buffer.from('x'), qos: 1 as const, retain: false };
    await kept.connect({ clientId: 'will', connect: { will } });
    await damage('sessions/will/', 0, bytes)(kept.store);
    await kept.crash();
    expect(kept.problems.map(({ message }) => message).join()).toContain('damaged');
    expect((await kept.resume('one')).connack.sessionPresent).toBe(true);
  });
});

test('a message that is damaged while the broker runs is told, and the next ones go on', async () => {
  const client = await kept.resume('one');
  await client.subscribe('a');
  client.cut();
  await kept.empty();
  for (const payload of ['first', 'second', 'third']) await kept.bus.publish(text(payload));
  await damage('sessions/queue/', 0, Uint8Array.of(0xc1))(kept.store);
  const again = await kept.resume('one');
  await again.message('a');
  await again.message('a');
  expect(again.messages.map(({ payload }) => payload.toString())).toEqual(['second', 'third']);
  expect(kept.bus.sessions.dropped.damaged).toBe(1);
});
