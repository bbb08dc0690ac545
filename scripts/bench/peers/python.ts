import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startProgram } from '../program.ts';
import type { PeerSettings, PeerStart } from './peer.ts';

const SCRIPT = fileURLToPath(new URL('python.py', import.meta.url));
/** Where the script and the model lie inside the other root. */
const INSIDE = '/tmp/ledge-bench';

/**
 * Starts the Python peer in `root`: a debootstrap of Debian trixie with python3-onnxruntime and
 * python3-paho-mqtt. Needs the right to change the root and to mount.
 */
export async function startPython(
  root: string,
  settings: PeerSettings,
  log: string,
): Promise<PeerStart> {
  const reason = whyAbsent(root);
  if (reason !== undefined) return { kind: 'absent', reason };
  for (const folder of ['proc', 'sys']) mountOnce(root, folder);
  mkdirSync(join(root, INSIDE), { recursive: true });
  copyFileSync(SCRIPT, join(root, INSIDE, 'python.py'));
  copyFileSync(settings.model, join(root, INSIDE, 'model.onnx'));
  const { hostname: host, port } = new URL(settings.url);
  const told = { ...settings, model: `${INSIDE}/model.onnx`, host, port: Number(port) };
  const script = `${INSIDE}/python.py`;
  const program = await startProgram({
    command: 'chroot',
    args: [root, 'python3', '-u', script, JSON.stringify(told)],
    log,
    ready: (line) => (line === '{"ready": true}' ? true : undefined),
  });
  const ask =
    'import onnxruntime, paho.mqtt; print(onnxruntime.__version__, paho.mqtt.__version__)';
  const answer = execFileSync('chroot', [root, 'python3', '-c', ask], { encoding: 'utf8' });
  const [runtime, paho] = answer.trim().split(' ');
  return { kind: 'started', version: `onnxruntime ${runtime}, paho ${paho}`, program };
}

function whyAbsent(root: string): string | undefined {
  if (!existsSync(join(root, 'usr/lib/python3/dist-packages/onnxruntime'))) {
    return `no trixie with python3-onnxruntime in ${root} (see docs/benchmarks.md, or --trixie DIR)`;
  }
  if (process.getuid?.() !== 0) return 'only root may change the root folder';
  return undefined;
}

function mountOnce(root: string, folder: string): void {
  const target = join(root, folder);
  const mounted = readFileSync('/proc/mounts', 'utf8').includes(` ${target} `);
  if (!mounted) execFileSync('mount', ['--bind', `/${folder}`, target]);
}
