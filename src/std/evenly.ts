/** At most so many items, evenly spaced, the first among them; all where there are no more. */
export function evenly<Item>(items: readonly Item[], countMax: number): readonly Item[] {
  if (items.length <= countMax) return items;
  const step = items.length / countMax;
  return Array.from({ length: countMax }, (_, at) => items[Math.floor(at * step)] as Item);
}
