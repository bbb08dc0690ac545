const HOUR_MS = 3_600_000;
const HOURS = 24;
/** How much of the way to a new value the usual one of its hour goes: some twenty days are remembered. */
const RATE = 0.05;

/** What is usual at each hour of the day, and how far the last hours were from it. */
export interface DailyCourse {
  readonly usual: (number | null)[]; // [24], UTC; null: that hour did not come yet
  /** Mean difference from the usual, the last hours weighing most. */
  difference: number;
  lastTs: number; // ms since 1970; 0: nothing came
}

/** A day of which nothing is known. */
export function createDailyCourse(): DailyCourse {
  return { usual: Array<number | null>(HOURS).fill(null), difference: 0, lastTs: 0 };
}

/**
 * The difference of a value from what is usual at its hour, averaged exponentially over `hours`;
 * the course follows the value. Late values count as if they came at once.
 */
export function takeHour(
  course: DailyCourse,
  { ts, value, hours }: { readonly ts: number; readonly value: number; readonly hours: number },
): number {
  const hour = Math.floor(ts / HOUR_MS) % HOURS;
  const usual = course.usual[hour] ?? value;
  const passedMs = course.lastTs === 0 ? Number.POSITIVE_INFINITY : Math.max(0, ts - course.lastTs);
  const weight = 1 - Math.exp(-passedMs / (hours * HOUR_MS));
  course.difference += weight * (value - usual - course.difference);
  course.usual[hour] = usual + RATE * (value - usual);
  course.lastTs = Math.max(course.lastTs, ts);
  return course.difference;
}
