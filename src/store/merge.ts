/** Changes that wait for the disk, sorted by key; undefined deletes. */
export type Changes = readonly (readonly [string, Uint8Array | undefined])[];

/** Entries of the disk with the changes that wait for it, in the order of keys; the changes win. */
export function mergeChanges(
  disk: readonly (readonly [string, Uint8Array])[],
  changes: Changes,
): [string, { readonly from: 'disk' | 'queue'; readonly value: Uint8Array }][] {
  const merged: [string, { readonly from: 'disk' | 'queue'; readonly value: Uint8Array }][] = [];
  let at = 0;
  const take = () => {
    const [key, value] = changes[at] as Changes[number];
    at += 1;
    if (value !== undefined) merged.push([key, { from: 'queue', value }]);
  };
  for (const [key, value] of disk) {
    while (at < changes.length && compareKeys((changes[at] as Changes[number])[0], key) < 0) take();
    if (changes[at]?.[0] === key) take();
    else merged.push([key, { from: 'disk', value }]);
  }
  while (at < changes.length) take();
  return merged;
}

/** The order of keys on disk, which is that of their UTF-8 bytes. */
export function compareKeys(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index += 1) {
    const [left, right] = [a.charCodeAt(index), b.charCodeAt(index)];
    if (left === right) continue;
    // Surrogates stand for characters beyond every other 16-bit unit.
    const [leftPair, rightPair] = [isSurrogate(left), isSurrogate(right)];
    return leftPair === rightPair ? left - right : leftPair ? 1 : -1;
  }
  return a.length - b.length;
}

function isSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdfff;
}
