/** Edits between a mistyped name and what was meant: more than this is another name. */
const EDITS_MAX = 3;

/** The candidate with the fewest edits to `name`, for "did you mean"; undefined where none is near. */
export function nearest(name: string, candidates: readonly string[]): string | undefined {
  const allowed = Math.min(EDITS_MAX, Math.ceil(name.length / 2));
  let best: string | undefined;
  let fewest = allowed + 1;
  for (const candidate of candidates) {
    const count = edits(name.toLowerCase(), candidate.toLowerCase());
    if (count < fewest) [best, fewest] = [candidate, count];
  }
  return best;
}

/** Levenshtein distance: insertions, deletions and replacements. */
function edits(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= to.length; j += 1) {
      const replaced = (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
