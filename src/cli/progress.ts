import type { Terminal } from './command.ts';

/** A progress line on stderr, silent where stderr is no terminal. */
export interface Progress {
  step(what: string): void;
  end(): void;
}

const WIDTH = 24;

/** Starts a bar of `total` steps. */
export function startProgress({ stderr }: Terminal, total: number): Progress {
  if (stderr.isTTY !== true || total === 0) return { step: () => undefined, end: () => undefined };
  let done = 0;
  return {
    step(what) {
      done += 1;
      const full = Math.min(WIDTH, Math.round((done / total) * WIDTH));
      const bar = '='.repeat(full).padEnd(WIDTH);
      stderr.write(`\r\u001b[K[${bar}] ${done}/${total} ${what}`);
    },
    end: () => stderr.write('\r\u001b[K'),
  };
}
