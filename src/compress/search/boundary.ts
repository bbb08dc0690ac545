export interface BoundaryOptions {
  /** A count whose answer is known, and the answer. */
  readonly from: number;
  readonly holdsFrom: boolean;
  /** The last count that may be asked for. */
  readonly to: number;
  /** Undefined: no more may be asked. */
  readonly holds: (count: number) => Promise<boolean | undefined>;
}

/**
 * Walks from one count towards another in steps that double until the answer turns, then halves what
 * is between. Where the answer turns once, it has then been asked on both sides of the turn.
 */
export async function findBoundary({ from, to, holdsFrom, holds }: BoundaryOptions): Promise<void> {
  const way = Math.sign(to - from);
  let near = from;
  let far: number | undefined;
  for (let step = 1; far === undefined && near !== to; step *= 2) {
    const next = way > 0 ? Math.min(to, near + step) : Math.max(to, near - step);
    const answer = await holds(next);
    if (answer === undefined) return;
    if (answer === holdsFrom) near = next;
    else far = next;
  }
  while (far !== undefined && Math.abs(far - near) > 1) {
    const middle = Math.round((near + far) / 2);
    const answer = await holds(middle);
    if (answer === undefined) return;
    if (answer === holdsFrom) near = middle;
    else far = middle;
  }
}
