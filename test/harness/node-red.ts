import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { freePort } from '../../scripts/free-port.ts';
import { packagePath } from '../../src/std/package.ts';
import { temporaryFolder } from './node.ts';

const run = promisify(execFile);
/** Fetching and unpacking its 280 packages takes 15 s on a fast line. */
const INSTALL_MS_MAX = 300_000;
/** Where it is kept from one run of the tests to the next. */
const CACHE = packagePath('node_modules/.cache/ledge-node-red');
/** What its log says at each start, before which a page's paths are not there. */
const STARTED = 'Started flows';

/** Where Node-RED is installed, or why it is not. */
export type NodeRedInstall =
  | { readonly kind: 'ready'; readonly folder: string }
  | { readonly kind: 'absent'; readonly reason: string };

/** A real Node-RED in a process of its own, with an empty user folder. */
export interface NodeRed extends AsyncDisposable {
  /** Of its editor, its admin API and its `http in` nodes. */
  readonly url: string;
  readonly user: string;
  readonly log: readonly string[];
  /** Replaces all flows; resolves once they run. */
  deploy(flows: readonly object[]): Promise<void>;
  /** The names of a package's examples, as the import dialog lists them. */
  examples(name: string): Promise<readonly string[]>;
  example(name: string, title: string): Promise<readonly object[]>;
  /** Resolves with the first line of its log, past or to come, that has this text. */
  line(text: string): Promise<string>;
}

/** Installs the pinned Node-RED once; a reason where that fails, said aloud. */
export async function installNodeRed(): Promise<NodeRedInstall> {
  const files = ['package.json', 'package-lock.json'];
  const from = packagePath('test/harness/node-red');
  const lock = await readFile(join(from, 'package-lock.json'));
  const mark = createHash('sha256').update(lock).digest('hex');
  const stamp = join(CACHE, 'lock.sha256');
  if (existsSync(stamp) && (await readFile(stamp, 'utf8')) === mark) {
    return { kind: 'ready', folder: CACHE };
  }
  const fresh = `${CACHE}.${process.pid}`;
  try {
    await mkdir(fresh, { recursive: true });
    for (const file of files) await copyFile(join(from, file), join(fresh, file));
    const words = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline'];
    await run('npm', words, { cwd: fresh, timeout: INSTALL_MS_MAX });
    await writeFile(join(fresh, 'lock.sha256'), mark);
    await rm(CACHE, { recursive: true, force: true });
    await rename(fresh, CACHE);
    return { kind: 'ready', folder: CACHE };
  } catch (error) {
    await rm(fresh, { recursive: true, force: true });
    const code = /npm error code (\S+)/.exec(String(error))?.[1];
    const said = code ?? String(error).split('\n')[0];
    const reason = `Node-RED cannot be installed: npm ci: ${said}`;
    console.warn(`SKIPPED: ${reason}`);
    return { kind: 'absent', reason };
  }
}

/** Packs a package of the project and installs it into a user folder, as the palette manager does. */
export async function installPacked(folder: string, user: string): Promise<readonly string[]> {
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', user], {
    cwd: packagePath(folder),
  });
  const [{ filename, files }] = JSON.parse(stdout);
  await writeFile(join(user, 'package.json'), '{"private": true}');
  const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline'];
  await run('npm', ['install', ...quiet, join(user, filename)], { cwd: user });
  return files.map(({ path }: { path: string }) => path);
}

/** Starts Node-RED with packages that `prepare` puts into its user folder. */
export async function startNodeRed(
  install: string,
  prepare: (user: string) => Promise<unknown>,
): Promise<NodeRed> {
  const user = await temporaryFolder();
  await prepare(user);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  await writeFile(join(user, 'settings.cjs'), settingsFile(port));
  const child = spawn(
    process.execPath,
    [
      join(install, 'node_modules/node-red/red.js'),
      '--userDir',
      user,
      '--settings',
      join(user, 'settings.cjs'),
    ],
    { stdio: ['ignore', 'pipe', 'pipe'], cwd: user },
  );
  const { log, line, lines } = readLog(child);
  let starts = 1;
  await lines(STARTED, starts);

  return {
    url,
    user,
    log,
    line,
    async deploy(flows) {
      starts += 1;
      const response = await fetch(`${url}/flows`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'Node-RED-Deployment-Type': 'full' },
        body: JSON.stringify(flows),
      });
      if (!response.ok) throw new Error(`Deploying failed: ${await response.text()}`);
      await lines(STARTED, starts);
    },
    async examples(name) {
      const response = await fetch(`${url}/library/examples/flows/${name}/`);
      const listed = (await response.json()) as readonly (string | { readonly fn: string })[];
      return listed.map((one) => (typeof one === 'string' ? one : one.fn));
    },
    async example(name, title) {
      const path = `${name}/${encodeURIComponent(title)}`;
      const response = await fetch(`${url}/library/examples/flows/${path}`);
      return (await response.json()) as readonly object[];
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) {
        const gone = new Promise((resolve) => child.once('exit', resolve));
        child.kill('SIGTERM');
        await gone;
      }
      await rm(user, { recursive: true, force: true });
    },
  };
}

interface Log extends Pick<NodeRed, 'log' | 'line'> {
  /** Resolves with all lines that have this text once they are so many. */
  lines(text: string, count: number): Promise<readonly string[]>;
}

function readLog(child: ChildProcess): Log {
  const log: string[] = [];
  let waiting: (() => void)[] = [];
  const wake = () => {
    for (const one of waiting.splice(0)) one();
  };
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue;
    createInterface({ input: stream }).on('line', (text) => {
      log.push(text);
      wake();
    });
  }
  child.once('exit', wake);

  async function lines(text: string, count: number): Promise<readonly string[]> {
    for (;;) {
      const found = log.filter((one) => one.includes(text));
      if (found.length >= count) return found;
      if (child.exitCode !== null) throw new Error(`Node-RED ended:\n${log.join('\n')}`);
      await new Promise<void>((resolve) => {
        waiting = [...waiting, resolve];
      });
    }
  }

  return { log, lines, line: async (text) => (await lines(text, 1))[0] as string };
}

function settingsFile(port: number): string {
  return `module.exports = {
  flowFile: 'flows.json',
  credentialSecret: false,
  uiHost: '127.0.0.1',
  uiPort: ${port},
  mqttReconnectTime: 1000,
  telemetry: { enabled: false, updateNotification: false },
  editorTheme: { tours: false, projects: { enabled: false } },
  logging: { console: { level: 'info', metrics: false, audit: false } },
};
`;
}
