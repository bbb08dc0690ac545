import { expect, test } from 'vitest';
import { eachConcurrent } from '../../src/std/concurrent.ts';

/** Items, the number that were pulled, and whether the source was closed. */
function source(count: number) {
  const state = { pulled: 0, closed: false };
  async function* items(): AsyncGenerator<number> {
    try {
      for (let index = 0; index < count; index += 1) {
        state.pulled += 1;
        yield index;
      }
    } finally {
      state.closed = true;
    }
  }
  return { state, items: items() };
}

/** Work that ends when the test says so. */
function gates() {
  const open = new Map<number, { resolve(): void; reject(cause: unknown): void }>();
  const started: number[] = [];
  const waiting: { count: number; resolve(): void }[] = [];
  const work = (item: number) =>
    new Promise<void>((resolve, reject) => {
      started.push(item);
      open.set(item, { resolve, reject });
      for (const { count, resolve: wake } of waiting) if (started.length >= count) wake();
    });
  return {
    work,
    started,
    gate: (item: number) => open.get(item) as { resolve(): void; reject(cause: unknown): void },
    async count(count: number) {
      if (started.length < count) {
        await new Promise<void>((resolve) => waiting.push({ count, resolve }));
      }
    },
  };
}

test('holds the limit, and pulls the next item only where there is room', async () => {
  const { state, items } = source(5);
  const { work, started, gate, count } = gates();
  const all = eachConcurrent(items, 2, work);
  await count(2);
  expect({ started, pulled: state.pulled }).toEqual({ started: [0, 1], pulled: 2 });
  gate(1).resolve();
  await count(3);
  expect({ started, pulled: state.pulled }).toEqual({ started: [0, 1, 2], pulled: 3 });
  gate(0).resolve();
  gate(2).resolve();
  await count(5);
  let ended = false;
  const watched = all.then(() => {
    ended = true;
  });
  gate(3).resolve();
  await Promise.resolve();
  expect(ended).toBe(false);
  gate(4).resolve();
  await watched;
  expect({ ended, closed: state.closed }).toEqual({ ended: true, closed: true });
});

test.each([1, 3, 100])('works through every item, %i at a time', async (limit) => {
  let inFlight = 0;
  let most = 0;
  const done: number[] = [];
  await eachConcurrent(source(50).items, limit, async (item) => {
    inFlight += 1;
    most = Math.max(most, inFlight);
    for (let turn = 0; turn < item % 4; turn += 1) await Promise.resolve();
    inFlight -= 1;
    done.push(item);
  });
  expect(done.sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, index) => index));
  expect(most).toBeLessThanOrEqual(limit);
});

test('a failure ends the pulling, and is thrown when the rest is done', async () => {
  const { state, items } = source(9);
  const { work, started, gate, count } = gates();
  const all = eachConcurrent(items, 2, work);
  let failure: unknown;
  const watched = all.catch((error: unknown) => {
    failure = error;
  });
  await count(2);
  gate(0).reject(new Error('first'));
  await Promise.resolve();
  expect(failure).toBeUndefined();
  gate(1).reject(new Error('second'));
  await watched;
  expect(failure).toEqual(new Error('first'));
  expect(started).toEqual([0, 1]);
  expect(state.closed).toBe(true);
});

test('a source that fails is thrown on', async () => {
  async function* broken(): AsyncGenerator<number> {
    yield 1;
    throw new Error('the source');
  }
  await expect(eachConcurrent(broken(), 4, () => Promise.resolve())).rejects.toThrow('the source');
});
