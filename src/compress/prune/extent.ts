/** The size of an axis: a number times the names of what is free in it (equal names, equal sizes). */
export interface Extent {
  readonly count: number;
  /** Sorted; a name that occurs twice is a square. */
  readonly free: readonly string[];
}

/** A size that is known. */
export function known(count: number): Extent {
  return { count, free: [] };
}

/** A size that is free. */
export function freeSize(name: string): Extent {
  return { count: 1, free: [name] };
}

/** The size as a number; undefined where anything in it is free. */
export function countOf({ count, free }: Extent): number | undefined {
  return free.length === 0 ? count : undefined;
}

/** Two axes made one. */
export function times(a: Extent, b: Extent): Extent {
  return { count: a.count * b.count, free: [...a.free, ...b.free].sort() };
}

/** How often one size goes into another; undefined where that is no size. */
export function over(a: Extent, b: Extent): Extent | undefined {
  const count = a.count / b.count;
  const free = [...a.free];
  for (const name of b.free) {
    const at = free.indexOf(name);
    if (at < 0) return undefined;
    free.splice(at, 1);
  }
  return Number.isInteger(count) ? { count, free } : undefined;
}

/** Whether two sizes are equal whatever the free ones are. */
export function isSame(a: Extent, b: Extent): boolean {
  return a.count === b.count && a.free.join() === b.free.join();
}
