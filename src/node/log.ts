/** Levels, least first. */
export const LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type Level = (typeof LEVELS)[number];

export interface LogLine {
  readonly time: string;
  readonly level: Level;
  readonly message: string;
  readonly [field: string]: unknown;
}

/** One line per change of state, with fields; `child` adds fields to every line. */
export interface Log {
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void;
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
  child(fields: Readonly<Record<string, unknown>>): Log;
}

/** A log that hands each line of at least `level` to `write`. */
export function createLog(level: Level, write: (line: LogLine) => void, fields = {}): Log {
  const least = LEVELS.indexOf(level);
  const at = (of: Level) => (message: string, more?: Readonly<Record<string, unknown>>) => {
    if (LEVELS.indexOf(of) < least) return;
    write({ time: new Date().toISOString(), level: of, message, ...fields, ...more });
  };
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (more) => createLog(level, write, { ...fields, ...more }),
  };
}
