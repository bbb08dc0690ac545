import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { packagePath } from '../../src/std/package.ts';

/** How a command line ended. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs `ledge` from the build to its end. Variables that begin with LEDGE_ come from `env` only. */
export async function ledge(words: readonly string[], options: CliOptions = {}): Promise<Ended> {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith('LEDGE_'));
  const child = spawn(process.execPath, [packagePath('dist/cli/main.js'), ...words], {
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd: options.cwd,
    env: { ...Object.fromEntries(own), ...options.env },
  });
  const ended = once(child, 'exit');
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const [code] = (await ended) as [number | null];
  return { code, stdout, stderr };
}
