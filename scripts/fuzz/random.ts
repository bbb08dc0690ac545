/** Random numbers that a seed gives again. */
export interface Random {
  /** A whole number from 0 to below `end`. */
  below(end: number): number;
  /** One in so many. */
  oneIn(count: number): boolean;
  pick<T>(list: readonly T[]): T;
  bytes(length: number): Uint8Array;
}

/** Creates a generator: Marsaglia's xorshift with four words, 2^128 - 1 long. */
export function createRandom(seed: number): Random {
  let [a, b, c, d] = [seed | 0, 0x9e3779b9, 0x243f6a88, 0xb7e15162];
  const next = (): number => {
    const t = d ^ (d << 11);
    [d, c, b] = [c, b, a];
    a = a ^ (a >>> 19) ^ t ^ (t >>> 8);
    return a >>> 0;
  };
  for (let warm = 0; warm < 16; warm += 1) next();
  const below = (end: number) => Math.floor((next() / 2 ** 32) * end);
  return {
    below,
    oneIn: (count) => below(count) === 0,
    pick: (list) => list[below(list.length)]!,
    bytes: (length) => Uint8Array.from({ length }, () => below(256)),
  };
}
