import { describe, expect, test } from 'vitest';
import type { DropReason } from '../../src/flow/event.ts';
import { createEventQueue, type Entry, type Keep } from '../../src/flow/queue.ts';

interface Told extends Entry {
  readonly name: string;
  isAccepted: boolean;
}

function entry(name: string, { device = 'one', bytes = 10 } = {}): Told {
  const told: Told = {
    name,
    isAccepted: false,
    accepted() {
      told.isAccepted = true;
    },
    event: {
      id: name,
      device,
      topic: 't',
      payload: new Uint8Array(bytes),
      receivedAtMs: 0,
      ts: 0,
      timing: { queueMs: 0, decodeMs: 0, preprocessMs: 0, inferMs: 0, postprocessMs: 0 },
    },
  };
  return told;
}

function open(keep: Keep, { eventsMax = 2, bytesMax = 1000 } = {}) {
  const dropped: [string, DropReason][] = [];
  const queue = createEventQueue<Told>({ keep, eventsMax, bytesMax }, (gone, reason) => {
    dropped.push([gone.name, reason]);
  });
  return { queue, dropped };
}

async function takeAll(queue: ReturnType<typeof open>['queue'], count: number): Promise<string[]> {
  const names: string[] = [];
  const abort = new AbortController();
  for await (const taken of queue.take(abort.signal)) {
    names.push(taken.name);
    if (names.length === count) abort.abort();
  }
  return names;
}

describe('event queue', () => {
  test('keep all holds publishers back and loses nothing', async () => {
    const { queue, dropped } = open('all');
    const entries = ['a', 'b', 'c', 'd'].map((name) => entry(name));
    for (const one of entries) queue.offer(one);
    expect(entries.map(({ isAccepted }) => isAccepted)).toEqual([true, true, false, false]);
    expect(await takeAll(queue, 4)).toEqual(['a', 'b', 'c', 'd']);
    expect(entries.every(({ isAccepted }) => isAccepted)).toBe(true);
    expect(dropped).toEqual([]);
  });

  test('drop-oldest gives up the oldest by count and by bytes, and tells each', async () => {
    const { queue, dropped } = open('drop-oldest', { eventsMax: 3, bytesMax: 100 });
    for (const name of ['a', 'b', 'c', 'd']) queue.offer(entry(name));
    queue.offer(entry('large', { bytes: 85 }));
    expect(dropped).toEqual(['a', 'b', 'c'].map((name) => [name, 'overflow']));
    expect(queue.bytes).toBe(95);
    expect(await takeAll(queue, 2)).toEqual(['d', 'large']);
  });

  test('latest keeps one event of each device', async () => {
    const { queue, dropped } = open('latest', { eventsMax: 10 });
    queue.offer(entry('old', { device: 'one' }));
    queue.offer(entry('other', { device: 'two' }));
    queue.offer(entry('new', { device: 'one' }));
    expect(dropped).toEqual([['old', 'superseded']]);
    expect(await takeAll(queue, 2)).toEqual(['other', 'new']);
  });

  test('an event larger than the byte limit still gets through alone', async () => {
    const { queue, dropped } = open('drop-oldest', { bytesMax: 50 });
    queue.offer(entry('huge', { bytes: 500 }));
    expect(await takeAll(queue, 1)).toEqual(['huge']);
    expect(dropped).toEqual([]);
  });

  test('take ends at the signal and leaves the rest', async () => {
    const { queue } = open('all', { eventsMax: 10 });
    for (const name of ['a', 'b', 'c']) queue.offer(entry(name));
    expect(await takeAll(queue, 1)).toEqual(['a']);
    expect(queue.clear().map(({ name }) => name)).toEqual(['b', 'c']);
  });

  test('a long run keeps order and counts bytes back to zero', async () => {
    const { queue } = open('all', { eventsMax: 5000, bytesMax: 1e6 });
    const names = Array.from({ length: 4000 }, (_, index) => String(index));
    for (const name of names) queue.offer(entry(name));
    expect(await takeAll(queue, 4000)).toEqual(names);
    expect([queue.length, queue.bytes]).toEqual([0, 0]);
  });
});
