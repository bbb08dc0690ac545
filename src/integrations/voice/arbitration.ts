import type { Clock } from '../../std/clock.ts';

/** One device that woke. */
export interface Candidate {
  /** Root mean square of the wake word's sound. */
  readonly loudness: number;
}

/** Decides which of several microphones that heard the same person answers. */
export interface Arbitration<One extends Candidate> {
  enter(candidate: One): void;
  /** Decides nothing more. */
  close(): void;
}

/** Gathers who wakes within `windowMs` of the first; the loudest wins, of equals the first. */
export function createArbitration<One extends Candidate>(options: {
  readonly clock: Clock;
  readonly windowMs: number;
  decided(winner: One, others: readonly One[]): void;
}): Arbitration<One> {
  const { clock, windowMs, decided } = options;
  let waiting: One[] = [];
  let cancel: (() => void) | undefined;

  function decide(): void {
    cancel = undefined;
    const all = waiting;
    waiting = [];
    const [first, ...rest] = all;
    if (first === undefined) return;
    const winner = rest.reduce((best, one) => (one.loudness > best.loudness ? one : best), first);
    decided(
      winner,
      all.filter((one) => one !== winner),
    );
  }

  return {
    enter(candidate) {
      waiting.push(candidate);
      if (windowMs === 0) decide();
      else cancel ??= clock.after(windowMs, decide);
    },
    close() {
      cancel?.();
      waiting = [];
    },
  };
}
