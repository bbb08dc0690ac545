import { mkdir, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

/**
 * Makes a folder and those above it. Fails with the system's own error. Node's recursive mkdir never
 * ends where the system says "no such file" below a folder that is there, as /proc does.
 */
export async function makeFolder(folder: string): Promise<void> {
  const path = resolve(folder);
  const failure = await tryMake(path);
  if (failure === undefined) return;
  if (failure.code !== 'ENOENT' || dirname(path) === path) throw failure;
  await makeFolder(dirname(path));
  const again = await tryMake(path);
  if (again !== undefined) throw again;
}

/** Why the folder is not there now; undefined where it is. */
async function tryMake(path: string): Promise<NodeJS.ErrnoException | undefined> {
  try {
    await mkdir(path);
    return undefined;
  } catch (error) {
    const found = await stat(path).catch(() => undefined);
    return found?.isDirectory() ? undefined : (error as NodeJS.ErrnoException);
  }
}
