import { describe, expect, test } from 'vitest';
import { createQueue } from '../../src/infer/queue.ts';
import { AGEING_MS, type Request, rankOf } from '../../src/infer/request.ts';
import type { Priority } from '../../src/std/priority.ts';
import { rows } from './test-pool.ts';

function request(priority: Priority, enqueuedAtMs: number, size = 1): Request {
  const tensor = rows(size, 2);
  return {
    inputs: [tensor],
    rows: size,
    bytes: tensor.data.byteLength,
    priority,
    enqueuedAtMs,
    rank: rankOf(priority, enqueuedAtMs),
    deadlineAtMs: Number.POSITIVE_INFINITY,
    options: { batch: { sizeMax: 1, waitMsMax: 0 }, timeoutMs: 1 },
    losses: 0,
    alone: false,
    onRan: undefined,
    resolve() {},
    reject() {},
  };
}

describe('a queue of requests', () => {
  test.each([
    { low: 0, high: 1, first: 'high' },
    { low: 0, high: 2 * AGEING_MS - 1, first: 'high' },
    { low: 0, high: 2 * AGEING_MS + 1, first: 'low' },
  ])('lets $first go first of low at $low ms and high at $high ms', ({ low, high, first }) => {
    const queue = createQueue();
    queue.push(request('low', low));
    queue.push(request('high', high));
    expect(queue.peek()?.priority).toBe(first);
    expect(queue.shift()?.priority).toBe(first);
  });

  test('lets a low request pass at last under an endless stream of high ones', () => {
    const queue = createQueue();
    const low = request('low', 0);
    queue.push(low);
    const order: Request[] = [];
    // One more comes than goes every ten times, so that some always wait.
    for (let nowMs = 0; nowMs < 4 * AGEING_MS; nowMs += 10) {
      queue.push(request('high', nowMs));
      if (nowMs % 100 === 0) queue.push(request('high', nowMs));
      order.push(queue.shift()!);
    }
    const passed = order.indexOf(low);
    expect(passed).toBeGreaterThan(0);
    expect(order[passed + 1]?.enqueuedAtMs).toBeGreaterThanOrEqual(2 * AGEING_MS);
    expect(order[passed + 1]?.enqueuedAtMs).toBeLessThan(2 * AGEING_MS + 100);
  });

  test('keeps the order of arrival within a priority, over many', () => {
    const queue = createQueue();
    const given = Array.from({ length: 1_000 }, (_, index) => request('normal', index));
    const taken: (Request | undefined)[] = [];
    for (const [index, one] of given.entries()) {
      queue.push(one);
      if (index % 3 === 2) taken.push(queue.shift());
    }
    taken.push(...queue.drain());
    expect(taken).toEqual(given);
    expect(queue).toMatchObject({ length: 0, rows: 0, bytes: 0 });
  });

  test('puts a request that comes back into its old place', () => {
    const queue = createQueue();
    const [first, second, third] = [request('low', 1), request('low', 2), request('low', 3)];
    queue.push(first);
    queue.push(second);
    queue.push(third);
    queue.shift();
    queue.shift();
    queue.putBack(second);
    queue.putBack(first);
    expect(queue.drain()).toEqual([first, second, third]);
  });

  test('counts rows and bytes', () => {
    const queue = createQueue();
    queue.push(request('low', 1, 3));
    queue.push(request('high', 1, 4));
    expect(queue).toMatchObject({ length: 2, rows: 7, bytes: 56 });
    queue.shift();
    expect(queue).toMatchObject({ length: 1, rows: 3, bytes: 24 });
  });
});
