import { expect, test } from 'vitest';
import { createAttempts, RECONNECT_MS_MAX, REFUSED_MS_MAX } from '../../src/bus/attempts.ts';

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
  expect(attempts.after({ opened: true, connackCode: 0x89 })).toMatchObject({
    version: 5,
    reason: 'backoff',
  });
});

test('a connection that was of no use keeps the delay growing', () => {
  const attempts = createAttempts(() => 1);
  const idle = { ...accepted, fruitful: false };
  expect([1, 2, 3].map(() => attempts.after(idle).delayMs)).toEqual([250, 500, 1000]);
  expect(attempts.after({ ...accepted, fruitful: true }).delayMs).toBe(250);
});

test.each([4, 5, 0x86, 0x87, 0x8a])('credentials refused by code %i are tried slowly', (code) => {
  const attempts = createAttempts(() => 1);
  const refusal = { opened: true, connackCode: code };
  const next = Array.from({ length: 6 }, () => attempts.after(refusal));
  expect(next.map(({ delayMs }) => delayMs)).toEqual([5e3, 1e4, 2e4, 4e4, 6e4, REFUSED_MS_MAX]);
  expect(next.every(({ reason }) => reason === 'credentials')).toBe(true);
});

test('a broker that spoke MQTT 5 keeps it over five hang-ups', () => {
  const attempts = createAttempts(() => 1);
  attempts.after(accepted);
  const versions = Array.from({ length: 6 }, () => attempts.after(hungUp).version);
  expect(versions).toEqual([5, 5, 5, 5, 5, 4]);
});

test('a version that was asked for is the only one', () => {
  const old = createAttempts(() => 1, { only: '3.1.1' });
  expect([hungUp, accepted, hungUp].map((end) => old.after(end).version)).toEqual([4, 4, 4]);
  const modern = createAttempts(() => 1, { only: '5' });
  expect(modern.after({ opened: true, connackCode: 0x84 }).version).toBe(5);
});
