/** A reason for which units must stay, and who gives it. */
export interface Pin {
  readonly where: string;
  readonly reason: string;
}

/**
 * Places along the axes of a graph's tensors, joined where one cannot go without the other (a
 * union-find). A joined set is what pruning takes away or leaves as a whole.
 */
export interface Units {
  /** So many new ones, each alone. */
  fresh(count: number): Int32Array;
  join(a: number, b: number): void;
  /** The one that stands for all that are joined with it. */
  rootOf(unit: number): number;
  pin(units: Int32Array, pin: Pin): void;
  /** The first reason that was given for any unit of a set. */
  pinsByRoot(): ReadonlyMap<number, Pin>;
}

/** No units yet. */
export function createUnits(): Units {
  const parents: number[] = [];
  const pinned: { readonly units: Int32Array; readonly pin: Pin }[] = [];

  function rootOf(unit: number): number {
    let root = unit;
    while (parents[root] !== root) root = parents[root]!;
    for (let at = unit; at !== root; ) {
      const next = parents[at]!;
      parents[at] = root;
      at = next;
    }
    return root;
  }

  return {
    fresh(count) {
      const first = parents.length;
      for (let at = 0; at < count; at += 1) parents.push(first + at);
      return Int32Array.from({ length: count }, (_, at) => first + at);
    },
    join(a, b) {
      const [one, other] = [rootOf(a), rootOf(b)];
      // The older one leads: sets come out in the order of the graph.
      if (one < other) parents[other] = one;
      else parents[one] = other;
    },
    rootOf,
    pin: (units, pin) => void pinned.push({ units, pin }),
    pinsByRoot() {
      const found = new Map<number, Pin>();
      for (const { units, pin } of pinned) {
        for (const unit of units) {
          const root = rootOf(unit);
          if (!found.has(root)) found.set(root, pin);
        }
      }
      return found;
    },
  };
}
