import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { createInterface } from 'node:readline';

/** A program that does not say that it is ready within this time is taken for broken. */
const READY_MS_MAX = 60_000;
/** After a polite request to end, this long until it is killed. */
const STOP_MS_MAX = 10_000;

export interface ProgramOptions {
  readonly command: string;
  readonly args: readonly string[];
  /** Its stderr is kept here, and its stdout after it was ready. */
  readonly log: string;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Gives what the program promised when this line says that it is ready, else undefined. */
  readonly ready: (line: string) => unknown;
}

export interface Program {
  readonly pid: number;
  /** What `ready` gave. */
  readonly told: unknown;
  /** From spawn to ready, milliseconds. */
  readonly startMs: number;
  stop(): Promise<void>;
}

/** Starts a program and waits until one of its lines (stdout or stderr) says that it is ready. */
export async function startProgram(options: ProgramOptions): Promise<Program> {
  const { command, args, log, cwd, env, ready } = options;
  const startedAtMs = performance.now();
  const child = spawn(command, [...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
    ...(cwd === undefined ? {} : { cwd }),
  });
  const file = createWriteStream(log);
  let timer: NodeJS.Timeout | undefined;
  const told = new Promise<unknown>((resolve, reject) => {
    const late = new Error(`${command} was not ready in ${READY_MS_MAX} ms; see ${log}`);
    timer = setTimeout(() => reject(late), READY_MS_MAX);
    const read = (line: string): void => {
      file.write(`${line}\n`);
      const found = ready(line);
      if (found !== undefined) resolve(found);
    };
    createInterface({ input: child.stdout }).on('line', read);
    createInterface({ input: child.stderr }).on('line', read);
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`${command} ended with ${code}; see ${log}`)));
  });
  const value = await told.catch(async (error: unknown) => {
    await stopChild(child);
    throw error;
  });
  clearTimeout(timer);
  const startMs = performance.now() - startedAtMs;
  return { pid: child.pid!, told: value, startMs, stop: () => stopChild(child) };
}

function stopChild(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) {
      resolve();
      return;
    }
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX);
    child.once('exit', () => {
      clearTimeout(timer);
      resolve();
    });
    child.kill('SIGTERM');
  });
}
