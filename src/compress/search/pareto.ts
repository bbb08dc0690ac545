/** Costs of one point, less is better, as many for each. */
export type Costs = readonly number[];

/** Whether the first is nowhere worse than the second and somewhere better. */
export function dominates(one: Costs, other: Costs): boolean {
  const worse = one.some((cost, at) => cost > (other[at] ?? 0));
  return !worse && one.some((cost, at) => cost < (other[at] ?? 0));
}

/** For each point whether no other dominates it; equal points are all in the set. */
export function paretoSet(points: readonly Costs[]): readonly boolean[] {
  return points.map((point) => !points.some((other) => dominates(other, point)));
}
