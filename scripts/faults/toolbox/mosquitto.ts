import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findTool } from '../../../test/harness/tools.ts';
import { freePort } from '../../free-port.ts';

/** A real mosquitto as the broker above the node. */
export interface MosquittoProcess {
  readonly port: number;
  start(): Promise<void>;
  /** Ends it as its service manager would: sessions and retained messages go to its disk. */
  stop(): Promise<void>;
  /** Kills it and removes what it kept, so that it comes back empty. */
  wipe(): Promise<void>;
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void;
}

export interface MosquittoOptions {
  readonly folder: string;
  /** Further lines of its configuration. */
  readonly config?: readonly string[];
}

const START_MS_MAX = 20_000;

/** Why no scenario with an uplink can run here; undefined where mosquitto is installed. */
export function mosquittoMissing(): string | undefined {
  return findTool('mosquitto') === undefined ? 'mosquitto is not installed' : undefined;
}

/** Prepares one on a port that stays the same; `start` runs it. */
export async function createMosquitto(options: MosquittoOptions): Promise<MosquittoProcess> {
  const port = await freePort();
  const store = join(options.folder, 'mosquitto');
  const file = join(options.folder, 'mosquitto.conf');
  let child: ChildProcess | undefined;
  const lines = [
    `listener ${port} 127.0.0.1`,
    'allow_anonymous true',
    'persistence true',
    `persistence_location ${store}/`,
    'autosave_interval 0',
    'log_dest stderr',
    'set_tcp_nodelay true',
    'max_queued_messages 0',
    'user root',
    ...(options.config ?? []),
  ];
  writeFileSync(file, `${lines.join('\n')}\n`);

  async function start(): Promise<void> {
    mkdirSync(store, { recursive: true });
    const started = spawn(findTool('mosquitto') ?? 'mosquitto', ['-c', file], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    child = started;
    await new Promise<void>((resolve, reject) => {
      let log = '';
      const timer = setTimeout(() => reject(new Error(`mosquitto: ${log}`)), START_MS_MAX);
      started.once('exit', (code) => reject(new Error(`mosquitto ended (${code}): ${log}`)));
      started.stderr?.on('data', (chunk: Buffer) => {
        log = (log + chunk.toString()).slice(-2000);
        if (!log.includes('running')) return;
        clearTimeout(timer);
        resolve();
      });
    });
  }

  async function end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const ending = child;
    child = undefined;
    if (ending === undefined || ending.exitCode !== null || ending.signalCode !== null) return;
    const gone = new Promise((resolve) => ending.once('exit', resolve));
    ending.kill('SIGCONT');
    ending.kill(signal);
    await gone;
  }

  return {
    port,
    start,
    stop: () => end('SIGTERM'),
    async wipe() {
      await end('SIGKILL');
      rmSync(store, { recursive: true, force: true });
    },
    signal: (signal) => void child?.kill(signal),
  };
}
