import { expect, test } from 'vitest';
import { createAttempts, RECONNECT_MS_MAX } from '../../src/bus/attempts.ts';

const refused = { opened: false, connackCode: undefined };
const hungUp = { opened: true, connackCode: undefined };
const accepted = { opened: true, connackCode: 0 };

test('delays double up to their limit, and begin anew after a connection', () => {
  const attempts = createAttempts(() => 1);
  const delays = Array.from({ length: 9 }, () => attempts.after(refused).delayMs);
  expect(delays).toEqual([250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, RECONNECT_MS_MAX]);
  expect(attempts.after(accepted).delayMs).toBe(250);
});

test('jitter takes up to half of a delay', () => {
  expect(createAttempts(() => 0).after(refused).delayMs).toBe(125);
  expect(createAttempts(() => 0.5).after(refused).delayMs).toBe(188);
});

test.each([0x84, 1])('CONNACK code %i means 3.1.1 for good, at once', (connackCode) => {
  const attempts = createAttempts(() => 1);
  const next = attempts.after({ opened: true, connackCode });
  expect(next).toMatchObject({ version: 4, reason: 'fallback' });
  expect(attempts.after(accepted).version).toBe(4);
  expect(attempts.after(hungUp).version).toBe(4);
});

test('a hang-up changes the version each time, and a connection leads back to 5', () => {
  const attempts = createAttempts(() => 1);
  expect([1, 2, 3].map(() => attempts.after(hungUp).version)).toEqual([4, 5, 4]);
  expect(attempts.after(accepted).version).toBe(5);
});

test('a port that refuses, and a refusal for another reason, change no version', () => {
  const attempts = createAttempts(() => 1);
  expect(attempts.after(refused).version).toBe(5);
  expect(attempts.after({ opened: true, connackCode: 0x87 })).toMatchObject({
    version: 5,
    reason: 'backoff',
  });
});
