import { open, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';

/** What a trial writes: one block of every usual file system. */
const TRIAL_BYTES = 4096;

/** Why a folder does not take so many bytes: read-only, full or out of order; undefined where it does. */
export async function roomProblem(folder: string, bytes: number): Promise<Error | undefined> {
  try {
    const { bavail, bsize } = await statfs(folder);
    if (bavail * bsize < bytes) {
      return new Error(`${bavail * bsize} bytes are free, ${bytes} are needed`);
    }
    const path = join(folder, 'trial');
    const file = await open(path, 'w');
    try {
      await file.write(Buffer.alloc(TRIAL_BYTES));
      await file.sync();
    } finally {
      await file.close();
    }
    await rm(path, { force: true });
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}
