import { expect, test } from 'vitest';
import { createPace } from '../../../src/bus/access/pace.ts';
import { createHandClock } from '../../harness/hand-clock.ts';

test('a second of rest gives a second of work at once, and no more', () => {
  const clock = createHandClock();
  const pace = createPace(10, clock);
  const done: number[] = [];
  const atOnce = Array.from({ length: 15 }, (_, at) => pace.run(() => done.push(at)));
  expect(atOnce.filter(Boolean)).toHaveLength(10);
  expect(done).toHaveLength(10);
  clock.advance(100);
  expect(done).toHaveLength(11);
  clock.advance(400);
  expect(done).toEqual(Array.from({ length: 15 }, (_, at) => at));
});

test('what comes while others wait comes behind them', () => {
  const clock = createHandClock();
  const pace = createPace(1, clock);
  const done: string[] = [];
  pace.run(() => done.push('a'));
  pace.run(() => {
    done.push('b');
    pace.run(() => done.push('d'));
  });
  pace.run(() => done.push('c'));
  for (let at = 0; at < 4; at += 1) clock.advance(1000);
  expect(done).toEqual(['a', 'b', 'c', 'd']);
});

test('over ten seconds the rate is kept', () => {
  const clock = createHandClock();
  const pace = createPace(1000, clock);
  let done = 0;
  for (let at = 0; at < 20_000; at += 1) pace.run(() => (done += 1));
  for (let at = 0; at < 10_000; at += 1) clock.advance(1);
  expect(done).toBe(11_000);
});

test('a clock that is set back neither stops nor floods', () => {
  let now = 1_000_000;
  const clock = createHandClock();
  const pace = createPace(10, { ...clock, now: () => now });
  let done = 0;
  for (let at = 0; at < 10; at += 1) pace.run(() => (done += 1));
  now -= 500_000;
  expect(pace.run(() => (done += 1))).toBe(false);
  now += 100;
  clock.advance(100);
  expect(done).toBe(11);
});
