import type { DurableOutbox, Lease } from '../../store/outbox.ts';
import type { Pump } from './pump.ts';

/** Connections that ended without one acknowledgement, until messages go one at a time. */
const FRUITLESS_MAX = 5;
/** Connections that one and the same message ended, until it is given up: with backoff some minutes. */
const SUSPECT_MAX = 16;
/** Messages that must go well, one at a time, before many go again. */
const PROBED = 32;
/** More than a client sends at a time. */
const WINDOW_MAX = 64;

/** Finds the message that a broker hangs up on each time it comes, without a word why. */
export interface PoisonWatch {
  /**
   * A connection that the broker had accepted ended. `probe`: from now on messages go one at a time;
   * a message: it ended so many connections alone that it must be given up.
   */
  connectionEnded(): 'innocent' | 'probe' | Lease;
  windowMax(): number;
}

/** Creates the watch; any acknowledgement acquits. */
export function createPoisonWatch(
  outbox: Pick<DurableOutbox, 'stats'>,
  pump: Pick<Pump, 'only' | 'inFlight'>,
): PoisonWatch {
  let fruitless = 0;
  let suspect: { readonly name: string; count: number } | undefined;
  let ackedBefore = 0;
  /** The number of acknowledgements up to which messages go one at a time. */
  let probeUntil = 0;

  function acked(): number {
    return Object.values(outbox.stats()).reduce((sum, stats) => sum + stats.acked, 0);
  }

  function accuse(lease: Lease): 'innocent' | Lease {
    const name = `${lease.entry.class} ${lease.entry.seq}`;
    if (suspect?.name !== name) suspect = { name, count: 0 };
    suspect.count += 1;
    if (suspect.count < SUSPECT_MAX) return 'innocent';
    suspect = undefined;
    return lease;
  }

  return {
    connectionEnded() {
      const now = acked();
      const progress = now - ackedBefore;
      ackedBefore = now;
      if (progress > 0 || pump.inFlight === 0) {
        fruitless = 0;
        suspect = undefined;
        return 'innocent';
      }
      fruitless += 1;
      if (fruitless < FRUITLESS_MAX) return 'innocent';
      if (now >= probeUntil) {
        probeUntil = now + PROBED;
        return 'probe';
      }
      return pump.only === undefined ? 'innocent' : accuse(pump.only);
    },
    windowMax: () => (probeUntil > 0 && acked() < probeUntil ? 1 : WINDOW_MAX),
  };
}
