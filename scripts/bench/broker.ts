import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../free-port.ts';
import { type Program, startProgram } from './program.ts';

const PROGRAMS = ['/usr/sbin/mosquitto', '/usr/local/sbin/mosquitto', '/usr/bin/mosquitto'];

export interface MosquittoBroker {
  readonly url: string;
  readonly version: string;
  readonly program: Program;
}

/** Starts mosquitto for the peers: TCP_NODELAY, no disk, no limit on what may wait in it. */
export async function startMosquitto(folder: string): Promise<MosquittoBroker | undefined> {
  const command = PROGRAMS.find((path) => existsSync(path));
  if (command === undefined) return undefined;
  const port = await freePort();
  const config = join(folder, 'mosquitto.conf');
  const lines = [
    `listener ${port} 127.0.0.1`,
    'allow_anonymous true',
    'set_tcp_nodelay true',
    'persistence false',
    'max_inflight_messages 0',
    'max_queued_messages 0',
    '',
  ];
  writeFileSync(config, lines.join('\n'));
  let version = 'mosquitto';
  const program = await startProgram({
    command,
    args: ['-c', config],
    log: join(folder, 'mosquitto.log'),
    ready: (line) => {
      version = /mosquitto version \S+/.exec(line)?.[0] ?? version;
      return line.endsWith(' running') ? true : undefined;
    },
  });
  return { url: `mqtt://127.0.0.1:${port}`, version, program };
}
