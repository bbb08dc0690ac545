/** One row of `ledge doctor`: what was looked at, what was found, what to do about it. */
export interface Finding {
  readonly name: string;
  readonly status: 'ok' | 'warn' | 'fail';
  readonly found: string;
  /** Empty where there is nothing to do. */
  readonly advice: string;
}

/** All is well. */
export function ok(name: string, found: string): Finding {
  return { name, status: 'ok', found, advice: '' };
}

/** The node runs, with less than it could have. */
export function warn(name: string, found: string, advice: string): Finding {
  return { name, status: 'warn', found, advice };
}

/** The node will not run, or not rightly. */
export function fail(name: string, found: string, advice: string): Finding {
  return { name, status: 'fail', found, advice };
}

/** Bytes as people read them, in binary units. */
export function formatBytes(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  const value = bytes / 1024 ** power;
  return `${power === 0 ? value : value.toFixed(1)} ${units[power]}`;
}
