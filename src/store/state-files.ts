import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LedgeError } from '../std/error.ts';
import { makeFolder } from './make-folder.ts';

/** What one device may keep: a baseline of 64 sensors has about 100 kB as JSON. */
const STATE_BYTES_MAX = 4_194_304;

export type DeviceState = Readonly<Record<string, unknown>>;

/** The kept states of one flow: read once, held in memory, written when they changed. */
export interface StateFiles {
  get(device: string): DeviceState | undefined;
  set(device: string, state: DeviceState): void;
  /** Forgets one device, or all; their files go with the next flush. Gives how many there were. */
  delete(device?: string): number;
  /** Writes what changed since the last flush, each file whole or not at all. */
  flush(): Promise<void>;
}

/**
 * Opens the folder of one flow's states. A file that does not parse is renamed to `.damaged` and told
 * to `onDamaged`; the rest is read. Fails with `data-unwritable` where the folder cannot be made.
 */
export async function openStateFiles(
  folder: string,
  onDamaged: (file: string, error: unknown) => void,
): Promise<StateFiles> {
  const states = new Map<string, string>();
  const changed = new Set<string>();
  let flushing: Promise<void> = Promise.resolve();
  try {
    await makeFolder(folder);
  } catch (error) {
    throw new LedgeError('data-unwritable', `Cannot make ${folder}: ${(error as Error).message}`);
  }
  for (const file of await readdir(folder)) {
    if (!file.endsWith('.json')) continue;
    const path = join(folder, file);
    try {
      const text = await readFile(path, 'utf8');
      const state: unknown = JSON.parse(text);
      if (typeof state !== 'object' || state === null) throw new TypeError('not an object');
      states.set(decodeURIComponent(file.slice(0, -'.json'.length)), text);
    } catch (error) {
      onDamaged(path, error);
      await rename(path, `${path}.damaged`);
    }
  }

  async function write(): Promise<void> {
    for (const device of [...changed]) {
      changed.delete(device);
      const path = join(folder, `${encodeURIComponent(device)}.json`);
      const text = states.get(device);
      try {
        if (text === undefined) await rm(path, { force: true });
        else {
          await writeFile(`${path}.new`, text, { flush: true });
          await rename(`${path}.new`, path);
        }
      } catch (error) {
        changed.add(device);
        throw new LedgeError(
          'data-unwritable',
          `Cannot write ${path}: ${(error as Error).message}`,
        );
      }
    }
  }

  return {
    get(device) {
      const text = states.get(device);
      return text === undefined ? undefined : (JSON.parse(text) as DeviceState);
    },
    set(device, state) {
      const text = JSON.stringify(state);
      if (states.get(device) === text || text.length > STATE_BYTES_MAX) return;
      states.set(device, text);
      changed.add(device);
    },
    delete(device) {
      const gone = device === undefined ? [...states.keys()] : states.has(device) ? [device] : [];
      for (const name of gone) {
        states.delete(name);
        changed.add(name);
      }
      return gone.length;
    },
    flush() {
      flushing = flushing.then(write, write);
      return flushing;
    },
  };
}

/** What one device has kept, from outside of a node that may run: nothing is renamed or written. */
export async function readStateFile(
  folder: string,
  device: string,
): Promise<DeviceState | undefined> {
  const path = join(folder, `${encodeURIComponent(device)}.json`);
  const text = await readFile(path, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as DeviceState);
}
