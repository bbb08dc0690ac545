import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

const FOLDERS = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];

/** The full path of a system program, or undefined, said aloud, where it is not installed. */
export function findTool(name: string): string | undefined {
  for (const folder of FOLDERS) {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return join(folder, name);
    } catch {
      // Not in this folder.
    }
  }
  console.warn(`SKIPPED: ${name} is not installed; the tests that need it do not run`);
  return undefined;
}

/** Whether a system program is there. */
export function hasTool(name: string): boolean {
  return findTool(name) !== undefined;
}
