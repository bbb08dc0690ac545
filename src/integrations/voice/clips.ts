import { chmod, mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeWav } from '../../signal/wav.ts';
import { SAMPLE_RATE_HZ } from './sound-ring.ts';

/** Two seconds are 64 kB: 6.4 MB in all. */
const CLIPS_MAX = 100;
const BYTES_MAX = 8_388_608;
/** A site may be named by whoever sends sound: only so much of it goes into a file's name. */
const NAME_MAX = 64;

/** Clips of sound that only this user may read, the newest ones. */
export interface Clips {
  /** Gives the file. Fails with the system's own error. */
  save(site: string, samples: Int16Array, ts: number): Promise<string>;
  count(): Promise<number>;
}

/** Clips in a folder, which is made when the first is saved. */
export function createClips(folder: string): Clips {
  let last: Promise<unknown> = Promise.resolve();

  async function write(site: string, samples: Int16Array, ts: number): Promise<string> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await chmod(folder, 0o700);
    const name = `${String(ts).padStart(15, '0')}-${fileName(site)}.wav`;
    const path = join(folder, name);
    const sound = Float32Array.from(samples, (value) => value / 32_768);
    const bytes = encodeWav(sound, SAMPLE_RATE_HZ);
    await writeFile(`${path}.new`, bytes, { mode: 0o600 });
    await rename(`${path}.new`, path);
    await prune();
    return path;
  }

  /** Names begin with the time: the oldest come first. */
  async function names(): Promise<string[]> {
    const all = await readdir(folder).catch(() => []);
    return all.filter((name) => name.endsWith('.wav')).sort();
  }

  async function prune(): Promise<void> {
    const newest = (await names()).reverse();
    let bytes = 0;
    for (const [at, name] of newest.entries()) {
      bytes += (await stat(join(folder, name))).size;
      if (at >= CLIPS_MAX || bytes > BYTES_MAX) await rm(join(folder, name), { force: true });
    }
  }

  return {
    save(site, samples, ts) {
      const saved = last.then(() => write(site, samples, ts));
      last = saved.catch(() => undefined);
      return saved;
    },
    count: async () => (await names()).length,
  };
}

function fileName(site: string): string {
  return site.replaceAll(/[^a-zA-Z0-9_-]/g, '_').slice(0, NAME_MAX);
}
