import type { Clock } from '../../src/std/clock.ts';

/** A clock that a test moves by hand. */
export interface HandClock extends Clock {
  /** Moves on, and makes the calls that became due, in their order. */
  advance(milliseconds: number): void;
}

interface Due {
  at: number;
  readonly everyMs: number | undefined;
  readonly call: () => void;
}

/** Creates a clock that stands still until it is moved. */
export function createHandClock(startMs = 1_000_000): HandClock {
  let now = startMs;
  const due = new Set<Due>();
  const add = (milliseconds: number, everyMs: number | undefined, call: () => void) => {
    const one: Due = { at: now + milliseconds, everyMs, call };
    due.add(one);
    return () => void due.delete(one);
  };
  return {
    now: () => now,
    after: (milliseconds, call) => add(milliseconds, undefined, call),
    every: (milliseconds, call) => add(milliseconds, milliseconds, call),
    advance(milliseconds) {
      const end = now + milliseconds;
      for (;;) {
        const [next] = [...due].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
        if (next === undefined) break;
        now = Math.max(now, next.at);
        if (next.everyMs === undefined) due.delete(next);
        else next.at += next.everyMs;
        next.call();
      }
      now = end;
    },
  };
}
