import type { Clock } from '../../std/clock.ts';

/** Lets work through at a rate: a token bucket whose tokens are waited for, in order. */
export interface Pace {
  /** Runs the work at once while there are tokens, else when its turn comes. Whether it ran at once. */
  run(work: () => void): boolean;
}

/** Creates a pace of so many per second, and so many at once after a second of rest. */
export function createPace(perSecondMax: number, clock: Clock): Pace {
  let tokens = perSecondMax;
  let filledAt = clock.now();
  const waiting: Array<() => void> = [];
  let timer = false;

  function refill(): void {
    const now = clock.now();
    // A clock that was set back gives nothing, and is followed from there.
    tokens = Math.min(perSecondMax, tokens + (Math.max(0, now - filledAt) * perSecondMax) / 1000);
    filledAt = now;
  }

  function wake(): void {
    timer = false;
    refill();
    const ready = waiting.splice(0, Math.floor(tokens));
    tokens -= ready.length;
    // Before the work runs: what it sets off comes behind those that wait.
    arm();
    for (const work of ready) work();
  }

  function arm(): void {
    if (timer || waiting.length === 0) return;
    timer = true;
    clock.after(Math.max(1, Math.ceil(((1 - tokens) * 1000) / perSecondMax)), wake);
  }

  return {
    run(work) {
      refill();
      if (waiting.length === 0 && tokens >= 1) {
        tokens -= 1;
        work();
        return true;
      }
      waiting.push(work);
      arm();
      return false;
    },
  };
}
