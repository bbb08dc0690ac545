import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
/** Different lines of level `error` that are kept: a fault repeats itself. */
const ERRORS_MAX = 20;

/** A real node in a process of its own, with no flows, as it runs by default. */
export interface BrokerNode {
  readonly port: number;
  readonly process: ChildProcess;
  /** What it said at level `error`, and what was no log line at all. */
  readonly errors: readonly string[];
  /** Resident memory, in bytes; 0 once it is gone. */
  memoryBytes(): number;
  /** Open sockets; how many files the store keeps open, its library decides. */
  sockets(): number;
  stop(): Promise<void>;
}

/** Starts the build's node on a free port, and waits until it is ready. */
export async function startBrokerNode(): Promise<BrokerNode> {
  const folder = await mkdtemp(join(tmpdir(), 'ledge-fuzz-'));
  const flows = join(folder, 'flows');
  await mkdir(flows);
  const words = ['run', '--json', '--node', 'fuzz', '--data', join(folder, 'data')];
  const more = ['--port', '0', '--flows', flows, '--set', 'http.enabled=false'];
  const child = spawn(process.execPath, [PROGRAM, ...words, ...more], {
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd: folder,
  });
  const errors = new Set<string>();
  createInterface({ input: child.stderr }).on('line', (line) => {
    if (errors.size < ERRORS_MAX && isError(line)) errors.add(line);
  });
  const lines = createInterface({ input: child.stdout });
  const ready = await new Promise<string>((resolve, reject) => {
    lines.once('line', resolve);
    child.once('exit', (code) => reject(new Error(`The node ended with ${code}: ${[...errors]}`)));
  });
  const { mqtt } = JSON.parse(ready) as { mqtt: string };
  const { pid } = child;
  return {
    port: Number(new URL(mqtt).port),
    process: child,
    get errors() {
      return [...errors];
    },
    memoryBytes: () => 1024 * Number(/VmRSS:\s+(\d+)/.exec(statusOf(pid))?.[1] ?? 0),
    sockets: () => socketsOf(pid),
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGTERM');
      await new Promise((resolve) => child.once('exit', resolve));
    },
  };
}

function isError(line: string): boolean {
  try {
    return (JSON.parse(line) as { level?: unknown }).level === 'error';
  } catch {
    return true;
  }
}

function socketsOf(pid: number | undefined): number {
  const folder = `/proc/${pid}/fd`;
  const links = readdirSync(folder).map((name) => {
    try {
      return readlinkSync(join(folder, name));
    } catch {
      return '';
    }
  });
  return links.filter((link) => link.startsWith('socket:')).length;
}

function statusOf(pid: number | undefined): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return '';
  }
}
