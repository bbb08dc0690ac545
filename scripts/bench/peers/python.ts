import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startProgram } from '../program.ts';
import type { PeerSettings, PeerStart } from './peer.ts';
import { mountTrixie, whyNoTrixie } from './trixie.ts';

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
  const reason = whyNoTrixie(root);
  if (reason !== undefined) return { kind: 'absent', reason };
  const unmount = mountTrixie(root);
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
  const stop = async (): Promise<void> => {
    await program.stop();
    unmount();
  };
  const version = `onnxruntime ${runtime}, paho ${paho}`;
  return { kind: 'started', version, program: { ...program, stop } };
}
