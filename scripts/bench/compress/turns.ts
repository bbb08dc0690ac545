/** A ratio over rounds: the middle one, and what eight in ten lie between. */
export interface Spread {
  readonly middle: number;
  readonly low: number;
  readonly high: number;
}

/** Lets all take turns in each round, in an order that goes round. Gives each one's figures. */
export async function takeTurns(
  names: readonly string[],
  rounds: number,
  measure: (name: string) => Promise<number>,
): Promise<ReadonlyMap<string, readonly number[]>> {
  const found = new Map<string, number[]>(names.map((name) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    const first = round % names.length;
    for (const name of [...names.slice(first), ...names.slice(0, first)]) {
      found.get(name)!.push(await measure(name));
    }
  }
  return found;
}

/** The ratios of two lists of figures, round by round. */
export function ratiosOf(above: readonly number[], below: readonly number[]): Spread {
  return spreadOf(above.map((value, round) => value / (below[round] ?? Number.NaN)));
}

/** The middle of some figures, with the bounds of eight in ten. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
  return { middle: at(0.5), low: at(0.1), high: at(0.9) };
}

/** `2.46 (2.41-2.50)`. */
export function formatSpread({ middle, low, high }: Spread, digits = 2): string {
  return `${middle.toFixed(digits)} (${low.toFixed(digits)}-${high.toFixed(digits)})`;
}
