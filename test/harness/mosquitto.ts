import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../scripts/free-port.ts';
import { findTool } from './tools.ts';

/** A real mosquitto on this machine. */
export interface Mosquitto {
  readonly port: number;
  readonly url: string;
  /** Kills it at once, as a power cut would. */
  stop(): Promise<void>;
  /** Starts it again on the same port, with nothing left in memory. */
  start(): Promise<void>;
  /** Stops it in its tracks: connections stay open, and nobody answers. */
  freeze(): void;
  thaw(): void;
  /** Stops it and removes its files. */
  remove(): Promise<void>;
}

interface MosquittoOptions {
  /** Lines of its configuration beside the listener. */
  readonly config?: readonly string[];
  /** `off`: only the port is chosen; start it later. */
  readonly begin?: 'on' | 'off';
}

/** Starts mosquitto on a free port with a configuration of its own. */
export async function startMosquitto(options: MosquittoOptions = {}): Promise<Mosquitto> {
  const program = findTool('mosquitto');
  if (program === undefined) throw new Error('mosquitto is not installed');
  const port = await freePort();
  const folder = await mkdtemp(join(tmpdir(), 'ledge-mosquitto-'));
  const file = join(folder, 'mosquitto.conf');
  const lines = [
    `listener ${port} 127.0.0.1`,
    'allow_anonymous true',
    'persistence false',
    'log_dest stderr',
    'log_type all',
    'set_tcp_nodelay true',
    'max_queued_messages 0',
    ...(options.config ?? []),
  ];
  await writeFile(file, `${lines.join('\n')}\n`);
  let child: ChildProcess | undefined;

  async function start(): Promise<void> {
    const started = spawn(program ?? 'mosquitto', ['-c', file], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    child = started;
    await new Promise<void>((resolve, reject) => {
      let log = '';
      started.once('error', reject);
      started.once('exit', (code) => reject(new Error(`mosquitto ended (${code}): ${log}`)));
      started.stderr?.on('data', (chunk: Buffer) => {
        log = (log + chunk.toString()).slice(-10_000);
        if (log.includes('running')) resolve();
      });
    });
  }

  async function stop(): Promise<void> {
    const running = child;
    child = undefined;
    if (running === undefined || running.exitCode !== null) return;
    const gone = new Promise((resolve) => running.once('exit', resolve));
    running.kill('SIGKILL');
    await gone;
  }

  if (options.begin !== 'off') await start();
  return {
    port,
    url: `mqtt://127.0.0.1:${port}`,
    start,
    stop,
    freeze: () => void child?.kill('SIGSTOP'),
    thaw: () => void child?.kill('SIGCONT'),
    async remove() {
      await stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
