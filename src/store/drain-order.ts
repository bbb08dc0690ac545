import { OUTBOX_CLASSES, type OutboxClass } from './outbox-class.ts';
import type { ClassIndex, Entry } from './outbox-index.ts';

/** What a packet costs beside its payload, so that many small ones do not count as nothing. */
const COST_PER_MESSAGE = 512;
/** Live messages go before backlog of the same class, but never leave it without a share. */
const LIVE_SHARE = 4;
/** A tenth of a second's replay may go at once: a timer that comes late does not slow it down. */
const BURST_SECONDS = 0.1;

export interface DrainOptions {
  readonly indexes: Readonly<Record<OutboxClass, ClassIndex>>;
  weight(name: OutboxClass): number;
  /** Backlog messages in a second, of all classes together. */
  readonly replayPerSecond: number;
  /** Running time, milliseconds. */
  now(): number;
}

/** Chooses what is sent next. */
export interface DrainOrder {
  /**
   * The entry whose turn it is; `wait`: in so many milliseconds there is one; undefined: there is none.
   * `epoch` says since when messages are live.
   */
  next(epoch: number): { readonly entry: Entry } | { readonly waitMs: number } | undefined;
}

interface Stream {
  readonly index: ClassIndex;
  readonly kind: 'backlog' | 'live';
  readonly weight: number;
  pass: number;
}

/**
 * Creates the order of draining: stride scheduling (Waldspurger and Weihl, 1995) over the live messages
 * and the backlog of each class. A class gets a share of the bytes by its weight, one that was idle is
 * next, none starves. The backlog of earlier times passes a token bucket.
 */
export function createDrainOrder(options: DrainOptions): DrainOrder {
  const { indexes, replayPerSecond, now } = options;
  const streams = OUTBOX_CLASSES.flatMap((name): Stream[] => {
    const index = indexes[name];
    const weight = options.weight(name);
    return [
      { index, kind: 'live', weight: weight * LIVE_SHARE, pass: 0 },
      { index, kind: 'backlog', weight, pass: 0 },
    ];
  });
  const burst = Math.max(1, replayPerSecond * BURST_SECONDS);
  let tokens = burst;
  let filledAt = now();
  let virtual = 0;

  function fill(): void {
    const at = now();
    tokens = Math.min(burst, tokens + ((at - filledAt) / 1e3) * replayPerSecond);
    filledAt = at;
  }

  return {
    next(epoch) {
      fill();
      let chosen: { stream: Stream; entry: Entry; pass: number } | undefined;
      let capped = false;
      for (const stream of streams) {
        const entry = stream.index[stream.kind].first;
        if (entry === undefined || entry.state === 'storing') continue;
        if (entry.epoch < epoch && tokens < 1) {
          capped = true;
          continue;
        }
        const pass = Math.max(stream.pass, virtual);
        if (chosen === undefined || pass < chosen.pass) chosen = { stream, entry, pass };
      }
      if (chosen === undefined) {
        return capped ? { waitMs: Math.ceil(((1 - tokens) / replayPerSecond) * 1e3) } : undefined;
      }
      const { stream, entry, pass } = chosen;
      if (entry.epoch < epoch) tokens -= 1;
      virtual = pass;
      stream.pass = pass + (entry.bytes + COST_PER_MESSAGE) / stream.weight;
      return { entry };
    },
  };
}
