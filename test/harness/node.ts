import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { packagePath } from '../../src/std/package.ts';

export interface ReadyLine {
  readonly ready: true;
  readonly mqtt: string;
  readonly http: string;
  readonly flows: readonly { name: string; state: string; in?: string; out?: string }[];
}

/** A real node in a process of its own. */
export interface RunningNode extends AsyncDisposable {
  readonly ready: ReadyLine;
  readonly process: ChildProcess;
  readonly data: string;
  /** Log lines so far. */
  readonly log: readonly Record<string, unknown>[];
  /** Ends it as a service manager would; gives the exit code. */
  stop(): Promise<number | null>;
}

export interface NodeOptions {
  readonly flows?: string;
  readonly args?: readonly string[];
  /** Kept when given; else a fresh folder that goes with the node. */
  readonly data?: string;
  /** Its environment; else the test's own. */
  readonly environment?: NodeJS.ProcessEnv;
}

/** A fresh folder under the system's own temporary one. */
export function temporaryFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'ledge-'));
}

/** Starts `ledge run` from the build on free ports and waits for its ready line. */
export async function startNode(options: NodeOptions = {}): Promise<RunningNode> {
  const data = options.data ?? (await temporaryFolder());
  const child = spawn(
    process.execPath,
    [
      packagePath('dist/cli/main.js'),
      'run',
      '--json',
      '--node',
      'test',
      '--data',
      data,
      '--port',
      '0',
      ...(options.flows === undefined ? [] : ['--flows', options.flows]),
      ...(options.args ?? []),
    ],
    { stdio: ['ignore', 'pipe', 'pipe'], cwd: data, env: options.environment ?? process.env },
  );
  const log: Record<string, unknown>[] = [];
  createInterface({ input: child.stderr }).on('line', (line) => {
    log.push(line.startsWith('{') ? JSON.parse(line) : { message: line });
  });
  const lines = createInterface({ input: child.stdout });
  const ended = once(child, 'exit');
  const first = await Promise.race([once(lines, 'line'), ended.then(() => undefined)]);
  if (first === undefined) {
    throw new Error(`The node ended before it was ready:\n${JSON.stringify(log, null, 1)}`);
  }
  const ready = JSON.parse(first[0]) as ReadyLine;

  async function stop(): Promise<number | null> {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM');
      await ended;
    }
    return child.exitCode;
  }

  return {
    ready,
    process: child,
    data,
    log,
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
      if (options.data === undefined) await rm(data, { recursive: true, force: true });
    },
  };
}
