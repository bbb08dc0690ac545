import type { Clock } from '../../std/clock.ts';

/** A value that comes once, a time limit, or the end of whoever waits. */
export interface Slot<Value> {
  fill(value: Value): void;
  /** What it was filled with; undefined after the limit, or once the signal aborts. */
  wait(milliseconds: number, options: WaitOptions): Promise<Value | undefined>;
}

interface WaitOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** An empty slot; only the first value counts. */
export function createSlot<Value>(): Slot<Value> {
  let fill: (value: Value) => void = () => undefined;
  const filled = new Promise<Value>((resolve) => {
    fill = resolve;
  });
  return {
    fill: (value) => fill(value),
    async wait(milliseconds, { clock, signal }) {
      if (signal.aborted) return undefined;
      let giveUp: () => void = () => undefined;
      const given = new Promise<undefined>((resolve) => {
        giveUp = () => resolve(undefined);
      });
      const cancel = clock.after(milliseconds, giveUp);
      signal.addEventListener('abort', giveUp, { once: true });
      const value = await Promise.race([filled, given]);
      cancel();
      signal.removeEventListener('abort', giveUp);
      return value;
    },
  };
}
