const SHARED = '$share/';

/** The filter that a subscription really asks for: `$share/group/a/#` asks for `a/#`. */
export function withoutShare(filter: string): string {
  if (!filter.startsWith(SHARED)) return filter;
  const end = filter.indexOf('/', SHARED.length);
  return end === -1 ? filter : filter.slice(end + 1);
}

/** Whether there is a topic that both filters take. */
export function overlaps(left: string, right: string): boolean {
  const [one, other] = [left.split('/'), right.split('/')];
  if (hidesSystem(one, other) || hidesSystem(other, one)) return false;
  for (let at = 0; ; at += 1) {
    const [a, b] = [one[at], other[at]];
    if (a === '#' || b === '#') return true;
    if (a === undefined || b === undefined) return a === b;
    if (a !== '+' && b !== '+' && a !== b) return false;
  }
}

/** Whether the first filter takes every topic that the second takes. */
export function covers(wide: string, narrow: string): boolean {
  const [outer, inner] = [wide.split('/'), narrow.split('/')];
  if (hidesSystem(outer, inner)) return false;
  for (let at = 0; ; at += 1) {
    const [a, b] = [outer[at], inner[at]];
    if (a === '#') return true;
    if (a === undefined || b === undefined) return a === b;
    if (b === '#') return false;
    if (a !== '+' && a !== b) return false;
  }
}

/** [MQTT-4.7.2-1] A filter that starts with a wildcard takes no topic that starts with "$". */
function hidesSystem(filter: readonly string[], other: readonly string[]): boolean {
  return (filter[0] === '+' || filter[0] === '#') && (other[0]?.startsWith('$') ?? false);
}
