import type { Result } from '../../flow/value.ts';

/** What a result holds at a dotted path, as `top.0.label`; undefined where there is nothing. */
export function readPath(result: Result['result'], path: string): unknown {
  let found: unknown = result;
  for (const name of path.split('.')) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, name))
      return undefined;
    found = (found as Readonly<Record<string, unknown>>)[name];
  }
  return found;
}
