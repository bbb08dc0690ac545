import { expect, test } from 'vitest';
import { createDailyCourse, takeHour } from '../../src/signal/daily-course.ts';

const HOUR_MS = 3_600_000;

test('an hour of the day is compared with the same hour of other days', () => {
  const course = createDailyCourse();
  for (let hour = 0; hour < 24 * 10; hour++) {
    const value = hour % 24 === 8 ? 100 : 10;
    takeHour(course, { ts: hour * HOUR_MS, value, hours: 0.01 });
  }
  const at = (hour: number, value: number) =>
    takeHour(structuredClone(course), { ts: (240 + hour) * HOUR_MS, value, hours: 0.01 });
  expect(at(8, 100)).toBeCloseTo(0);
  expect(at(9, 100)).toBeCloseTo(90);
  expect(at(8, 10)).toBeCloseTo(-90);
});

test('a difference is averaged over hours, whatever the pace of the records', () => {
  const after = (stepMs: number) => {
    const course = createDailyCourse();
    for (let ts = 1; ts < 48 * HOUR_MS; ts += stepMs) takeHour(course, { ts, value: 0, hours: 2 });
    let difference = 0;
    for (let ts = 48 * HOUR_MS; ts <= 50 * HOUR_MS; ts += stepMs) {
      difference = takeHour(course, { ts, value: 1, hours: 2 });
    }
    return difference;
  };
  expect(after(HOUR_MS / 60)).toBeGreaterThan(0.1);
  expect(after(HOUR_MS / 60)).toBeLessThan(0.6);
});

test('what comes late counts as if it came at once', () => {
  const course = createDailyCourse();
  takeHour(course, { ts: 5 * HOUR_MS, value: 1, hours: 1 });
  const before = course.difference;
  expect(takeHour(course, { ts: 2 * HOUR_MS, value: 9, hours: 1 })).toBe(before);
  expect(course.lastTs).toBe(5 * HOUR_MS);
});
