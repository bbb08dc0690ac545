/** Deterministic choices: the same seed gives the same faults at the same places. */
export interface Random {
  /** A number in [0, 1). */
  next(): number;
  /** A whole number, both ends included. */
  between(low: number, high: number): number;
  pick<T>(from: readonly T[]): T;
  /** Another generator that does not depend on how far this one has got. */
  fork(label: string): Random;
}

/** Creates a generator [mulberry32, public domain by its author]. */
export function createRandom(seed: number): Random {
  let state = seed | 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const between = (low: number, high: number) => low + Math.floor(next() * (high - low + 1));
  return {
    next,
    between,
    pick: (from) => from[between(0, from.length - 1)]!,
    fork: (label) => createRandom(mix(seed, label)),
  };
}

/** FNV-1a over the label, begun at the seed. */
function mix(seed: number, label: string): number {
  let hash = seed ^ 0x811c9dc5;
  for (const letter of label) hash = Math.imul(hash ^ letter.charCodeAt(0), 0x01000193);
  return hash;
}
