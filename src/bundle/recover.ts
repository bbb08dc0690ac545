import { lstat, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** A flow that is being unpacked: `.install-<process>-<random>`. Nodes look at no hidden folder. */
export const NEW_PREFIX = '.install-';
/** The flow that was there, until the new one is: `.replaced-<name>`. */
export const BACKUP_PREFIX = '.replaced-';

/**
 * Clears up after an install that was cut off: a flow whose replacement did not come is put back, what was
 * half unpacked is removed. Installs of processes that still run are left alone. Never throws for what
 * cannot be changed: a later install says why.
 */
export async function recoverInstalls(flows: string): Promise<readonly string[]> {
  const restored: string[] = [];
  const names = await readdir(flows).catch((): string[] => []);
  for (const name of names) {
    const path = join(flows, name);
    try {
      if (name.startsWith(NEW_PREFIX) && !isRunning(name)) {
        await rm(path, { recursive: true, force: true });
      }
      if (!name.startsWith(BACKUP_PREFIX)) continue;
      const flow = name.slice(BACKUP_PREFIX.length);
      const there = await lstat(join(flows, flow)).catch(() => undefined);
      if (there !== undefined) await rm(path, { recursive: true, force: true });
      else {
        await rename(path, join(flows, flow));
        restored.push(flow);
      }
    } catch {
      // A folder that is read-only, or another process that was faster.
    }
  }
  return restored;
}

/** Whether the process that unpacks into a folder is alive. */
function isRunning(name: string): boolean {
  const pid = Number(/^\d+/.exec(name.slice(NEW_PREFIX.length))?.[0]);
  if (!Number.isSafeInteger(pid) || pid < 1) return false;
  try {
    process.kill(pid, 0);
    return pid !== process.pid;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
