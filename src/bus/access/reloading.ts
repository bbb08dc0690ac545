import { stat } from 'node:fs/promises';
import type { Clock } from '../../std/clock.ts';
import { LedgeError } from '../../std/error.ts';

/** How often files are looked at: a stat each, and soon enough after `ledge user add`. */
export const RELOAD_MS = 2_000;

/** What is read from files, and read again when they change. */
export interface Reloading<Value> {
  readonly value: Value;
  stop(): void;
}

export interface ReloadOptions<Value> {
  /** Files whose change, coming or going is a reason to load again. */
  readonly paths: readonly string[];
  readonly load: () => Promise<Value>;
  /** Called with each value that was loaded later. */
  readonly onChange: (value: Value) => void;
  /** Called when a later load failed; what was loaded before stays. */
  readonly onProblem: (problem: LedgeError) => void;
  readonly clock: Clock;
  /** Milliseconds between two looks. Default 2,000. */
  readonly everyMs?: number;
}

/** Loads now, failing as the load does, and again whenever one of the files is another. */
export async function openReloading<Value>(
  options: ReloadOptions<Value>,
): Promise<Reloading<Value>> {
  const { paths, load, onChange, onProblem, clock } = options;
  // Before the load: a change while it reads is seen by the first look.
  let seen = await signature(paths);
  let value = await load();
  let looking = false;
  let stopped = false;

  async function look(): Promise<void> {
    const now = await signature(paths);
    if (now === seen) return;
    seen = now;
    try {
      const loaded = await load();
      if (stopped) return;
      value = loaded;
      onChange(value);
    } catch (error) {
      if (!stopped) onProblem(keptProblem(error));
    }
  }

  const stopClock = clock.every(options.everyMs ?? RELOAD_MS, () => {
    if (looking) return;
    looking = true;
    void look().finally(() => {
      looking = false;
    });
  });

  return {
    get value() {
      return value;
    },
    stop() {
      stopped = true;
      stopClock();
    },
  };
}

async function signature(paths: readonly string[]): Promise<string> {
  const parts = paths.map(async (path) => {
    try {
      const { ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
      return `${ino} ${size} ${mtimeNs} ${ctimeNs}`;
    } catch (error) {
      return String((error as NodeJS.ErrnoException).code);
    }
  });
  return (await Promise.all(parts)).join(', ');
}

function keptProblem(error: unknown): LedgeError {
  const message = error instanceof Error ? error.message : String(error);
  return new LedgeError('config-invalid', `${message}; what was read before stays in use`, {
    ...(error instanceof LedgeError ? { context: error.context } : {}),
  });
}
