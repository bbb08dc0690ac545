import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Why programs of a Debian trixie with python3-onnxruntime cannot be run; undefined: they can. */
export function whyNoTrixie(root: string): string | undefined {
  if (!existsSync(join(root, 'usr/lib/python3/dist-packages/onnxruntime'))) {
    const how = 'docs/benchmarks.md tells how to make one; --trixie DIR';
    return `no Debian trixie with python3-onnxruntime in ${root} (${how})`;
  }
  if (process.getuid?.() !== 0) return 'only root may change the root folder';
  return undefined;
}

/**
 * Gives the other root this machine's /proc and /sys, and folders of this one at the places named;
 * what it gives back takes them away again.
 */
export function mountTrixie(
  root: string,
  folders: Readonly<Record<string, string>> = {},
): () => void {
  const mounts = readFileSync('/proc/mounts', 'utf8');
  const wanted = Object.entries({ '/proc': '/proc', '/sys': '/sys', ...folders });
  const targets = wanted.map(([inside, from]) => ({ from, to: join(root, inside) }));
  const missing = targets.filter(({ to }) => !mounts.includes(` ${to} `));
  for (const { from, to } of missing) {
    mkdirSync(to, { recursive: true });
    execFileSync('mount', ['--bind', from, to]);
  }
  return () => {
    for (const { to } of missing) execFileSync('umount', [to]);
  };
}
