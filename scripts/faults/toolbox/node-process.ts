import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** A real node in a process of its own, on ports that stay the same over its restarts. */
export interface NodeProcess {
  readonly port: number;
  readonly data: string;
  readonly http: string;
  readonly pid: number;
  readonly running: boolean;
  /** Whether it ended without having been asked to. */
  readonly crashed: boolean;
  /** Log lines of level warn and above, and what was no log line; the last few thousand. */
  readonly complaints: readonly LogLine[];
  /** From spawn to the ready line of the last start, milliseconds. */
  readonly startMs: number;
  start(): Promise<void>;
  signal(signal: NodeJS.Signals): void;
  /** Sends a signal and waits for the end. */
  end(signal: 'SIGKILL' | 'SIGTERM'): Promise<Ended>;
  /** Waits for an end that comes by itself. */
  ended(): Promise<Ended>;
  /** GET of one of the node's JSON pages. */
  page<T>(path: string): Promise<T>;
}

export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly [field: string]: unknown;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** From the signal, or the start, to the end. */
  readonly tookMs: number;
}

export interface NodeProcessOptions {
  readonly port: number;
  readonly httpPort: number;
  readonly data: string;
  readonly flows: string;
  /** stdout and stderr are appended here. */
  readonly logFile: string;
  readonly config?: string;
  readonly set?: readonly string[];
  readonly nodeArgs?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export const NODE_NAME = 'faults';
const CLI = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));
/** With a full journal to read and two busy cores. */
const READY_MS_MAX = 120_000;
/** A node that does not end by SIGTERM within its drain time and this is killed. */
const END_MS_MAX = 60_000;
const COMPLAINTS_MAX = 5000;

/** Prepares a node; `start` runs it, as often as it is asked to. */
export function createNodeProcess(options: NodeProcessOptions): NodeProcess {
  const { port, httpPort } = options;
  const complaints: LogLine[] = [];
  const file = createWriteStream(options.logFile, { flags: 'a' });
  let child: ChildProcess | undefined;
  let gone: Promise<Ended> | undefined;
  let startMs = 0;
  let crashed = false;
  let ending = false;

  function takeLine(line: string): void {
    file.write(`${line}\n`);
    const parsed = parseLine(line);
    if (parsed.level === 'info' || parsed.level === 'debug') return;
    complaints.push(parsed);
    if (complaints.length > COMPLAINTS_MAX) complaints.shift();
  }

  async function start(): Promise<void> {
    const startedAt = performance.now();
    const started = spawn(process.execPath, argumentsOf(options), {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...options.env },
    });
    child = started;
    ending = false;
    gone = new Promise((resolve) => {
      started.once('exit', (code, signal) => {
        crashed ||= child === started && !ending;
        resolve({ code, signal, tookMs: performance.now() - startedAt });
      });
    });
    createInterface({ input: started.stderr! }).on('line', takeLine);
    const ready = new Promise<string | undefined>((resolve) => {
      createInterface({ input: started.stdout! }).on('line', (line) => {
        file.write(`${line}\n`);
        if (line.startsWith('{"ready"')) resolve(problemOf(line));
      });
    });
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<string>((resolve) => {
      timer = setTimeout(() => resolve(`it was not ready in ${READY_MS_MAX} ms`), READY_MS_MAX);
    });
    const early = gone.then(({ code, signal }) => `it ended with ${signal ?? code}`);
    const problem = await Promise.race([ready, late, early]);
    clearTimeout(timer);
    startMs = performance.now() - startedAt;
    if (typeof problem === 'string') {
      started.kill('SIGKILL');
      const last = complaints.at(-1)?.message ?? 'no complaint';
      throw new Error(`Cannot start the node: ${problem}: ${last}; see ${options.logFile}`);
    }
  }

  async function end(signal: 'SIGKILL' | 'SIGTERM'): Promise<Ended> {
    const at = performance.now();
    const leaving = child;
    if (leaving === undefined || gone === undefined) return { code: 0, signal: null, tookMs: 0 };
    ending = true;
    leaving.kill(signal);
    const timer = setTimeout(() => leaving.kill('SIGKILL'), END_MS_MAX);
    const ended = await gone;
    clearTimeout(timer);
    child = undefined;
    return { ...ended, tookMs: performance.now() - at };
  }

  return {
    port,
    data: options.data,
    http: `http://127.0.0.1:${httpPort}`,
    get pid() {
      return child?.pid ?? 0;
    },
    get running() {
      return child !== undefined && child.exitCode === null && child.signalCode === null;
    },
    get crashed() {
      return crashed;
    },
    complaints,
    get startMs() {
      return startMs;
    },
    start,
    signal(signal) {
      child?.kill(signal);
    },
    end,
    ended: () => gone ?? Promise.resolve({ code: 0, signal: null, tookMs: 0 }),
    async page<T>(path: string) {
      const answer = await fetch(`http://127.0.0.1:${httpPort}${path}`);
      return (await answer.json()) as T;
    },
  };
}

function argumentsOf(options: NodeProcessOptions): string[] {
  const { port, httpPort, data, flows, config, set = [], nodeArgs = [] } = options;
  return [
    ...nodeArgs,
    CLI,
    'run',
    '--json',
    ...['--node', NODE_NAME, '--data', data, '--flows', flows],
    ...['--port', String(port), '--http-port', String(httpPort)],
    ...(config === undefined ? [] : ['--config', config]),
    ...set.flatMap((each) => ['--set', each]),
  ];
}

/** A node is ready for the harness when all of its flows run. */
function problemOf(readyLine: string): string | undefined {
  const { flows } = JSON.parse(readyLine) as { flows: { name: string; state: string }[] };
  const idle = flows.filter(({ state }) => state !== 'running').map(({ name }) => name);
  return idle.length === 0 ? undefined : `its flows ${idle.join(', ')} do not run`;
}

function parseLine(line: string): LogLine {
  try {
    const parsed: unknown = JSON.parse(line);
    if (typeof parsed === 'object' && parsed !== null && 'level' in parsed)
      return parsed as LogLine;
  } catch {
    // Not a log line: a crash, or a warning of Node itself.
  }
  return { level: 'unknown', message: line };
}
