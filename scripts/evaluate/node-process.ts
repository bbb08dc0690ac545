import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { LedgeError } from '../../src/std/error.ts';
import { packagePath } from '../../src/std/package.ts';

/** Lines of the node's log that are shown where it fails. */
const LOG_LINES_MAX = 20;
/** The name it runs under, and so the topics it uses. */
export const NODE_NAME = 'eval';

/** A node of its own, with nothing learned before. */
export interface NodeProcess extends AsyncDisposable {
  readonly mqtt: string;
  readonly flows: readonly ReadyFlow[];
  readonly processId: number;
}

export interface ReadyFlow {
  readonly name: string;
  readonly in?: string;
  readonly out?: string;
  readonly state?: string;
}

/** Starts the built node on free ports and waits for its ready line. Throws `unavailable`. */
export async function startNodeProcess(flows: string, config: object = {}): Promise<NodeProcess> {
  const data = await mkdtemp(join(tmpdir(), 'ledge-evaluate-'));
  const file = join(data, 'ledge.yaml');
  await writeFile(file, JSON.stringify(config));
  const own = ['--node', NODE_NAME, '--data', data, '--config', file];
  const words = ['run', ...own, '--port', '0', '--json'];
  const child = spawn(
    process.execPath,
    [packagePath('dist/cli/main.js'), ...words, '--flows', flows],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  const log: string[] = [];
  createInterface({ input: child.stderr }).on('line', (line) => {
    log.push(line);
    if (log.length > LOG_LINES_MAX) log.shift();
  });
  const ended = once(child, 'exit');
  const ready = once(createInterface({ input: child.stdout }), 'line');
  const first = await Promise.race([ready, ended.then(() => undefined)]);
  if (first === undefined) {
    await rm(data, { recursive: true, force: true });
    throw new LedgeError('unavailable', `The node did not start:\n${log.join('\n')}`);
  }
  const line = JSON.parse(String(first[0])) as { mqtt: string; flows: ReadyFlow[] };
  return {
    mqtt: line.mqtt,
    flows: line.flows,
    processId: child.pid ?? 0,
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGTERM');
        await ended;
      }
      await rm(data, { recursive: true, force: true });
    },
  };
}
