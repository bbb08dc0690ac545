import { describe, expect, test } from 'vitest';
import { createLoginBackOff } from '../../../src/bus/access/login-back-off.ts';
import { createHandClock } from '../../harness/hand-clock.ts';

function failing(times: number, names: (at: number) => string = () => 'kitchen') {
  const clock = createHandClock();
  const backOff = createLoginBackOff(clock);
  const pauses = Array.from({ length: times }, (_, at) => {
    const pauseMs = backOff.failed('192.0.2.1', names(at));
    clock.advance(pauseMs);
    return pauseMs;
  });
  return { clock, backOff, pauses };
}

describe('the pause after a wrong login', () => {
  test('is none for the first five, then doubles up to a minute', () => {
    expect(failing(13).pauses).toEqual([
      0, 0, 0, 0, 0, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000,
    ]);
  });

  test('runs down', () => {
    const { backOff, clock } = failing(5);
    backOff.failed('192.0.2.1', 'kitchen');
    clock.advance(999);
    expect(backOff.pauseMs('192.0.2.1', 'kitchen')).toBe(1);
    clock.advance(1);
    expect(backOff.pauseMs('192.0.2.1', 'kitchen')).toBe(0);
  });

  test('is of one name and address only', () => {
    const { backOff } = failing(5);
    backOff.failed('192.0.2.1', 'kitchen');
    expect(backOff.pauseMs('192.0.2.1', 'kitchen')).toBe(1000);
    expect(backOff.pauseMs('192.0.2.1', 'cellar')).toBe(0);
    expect(backOff.pauseMs('192.0.2.2', 'kitchen')).toBe(0);
  });

  test('starts afresh after a right login', () => {
    const { backOff } = failing(5);
    backOff.succeeded('192.0.2.1', 'kitchen');
    expect(backOff.failed('192.0.2.1', 'kitchen')).toBe(0);
    expect(backOff.size).toBe(1);
    backOff.succeeded('192.0.2.1', 'kitchen');
    expect(backOff.size).toBe(0);
  });

  test('starts afresh after a quarter of an hour', () => {
    const { backOff, clock } = failing(12);
    clock.advance(15 * 60 * 1000 + 1);
    expect(backOff.failed('192.0.2.1', 'kitchen')).toBe(0);
  });
});

test('names without end share a pause from the 17th on', () => {
  const { pauses, backOff } = failing(22, (at) => `name ${at}`);
  expect(pauses.slice(0, 21)).toEqual(new Array(21).fill(0));
  expect(pauses[21]).toBe(1000);
  backOff.failed('192.0.2.1', 'name 99');
  expect(backOff.pauseMs('192.0.2.1', 'yet another')).toBe(2000);
  expect(backOff.pauseMs('192.0.2.1', 'name 3')).toBe(0);
});

test('addresses without end take no memory without end', () => {
  const backOff = createLoginBackOff(createHandClock());
  for (let at = 0; at < 5_000; at += 1) backOff.failed(`address ${at}`, 'x');
  expect(backOff.size).toBe(1024);
});
