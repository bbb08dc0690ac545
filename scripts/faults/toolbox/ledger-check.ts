import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Check } from '../scenario.ts';
import { NODE_NAME } from './node-process.ts';
import type { Rig } from './rig.ts';

const CLI = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));
const TOLD_MAX = 300;

/** Stops the node as its service manager would, and asks `ledge ledger --verify` for every sum. */
export async function checkLedger({ node }: Rig): Promise<Check> {
  await node.end('SIGTERM');
  const words = [CLI, 'ledger', '--verify', '--node', NODE_NAME, '--data', node.data];
  return new Promise((resolve) => {
    execFile(process.execPath, words, (error, _stdout, stderr) => {
      const what = `the ledger adds up: ${stderr.trim().slice(0, TOLD_MAX)}`;
      resolve({ what, met: error === null });
    });
  });
}
