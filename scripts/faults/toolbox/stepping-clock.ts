import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A system clock of a process that can be set while it runs (libfaketime). */
export interface SteppingClock {
  readonly env: Readonly<Record<string, string>>;
  /** So many seconds before or after the true time, from now on. */
  step(seconds: number): void;
}

const FOLDERS = ['/usr/lib', '/usr/local/lib', '/usr/lib64'];
const LIBRARY = join('faketime', 'libfaketimeMT.so.1');

/** Why the clock cannot be set here; undefined where libfaketime is installed. */
export function steppingClockMissing(): string | undefined {
  return findLibrary() === undefined
    ? 'libfaketime is not installed (Debian: faketime)'
    : undefined;
}

/** Only the wall clock is set: no system call sets the monotonic one back. */
export function createSteppingClock(folder: string): SteppingClock {
  const file = join(folder, 'clock');
  const step = (seconds: number): void => {
    writeFileSync(file, `${seconds < 0 ? '' : '+'}${seconds}\n`);
  };
  step(0);
  return {
    env: {
      LD_PRELOAD: findLibrary() ?? '',
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_CACHE_DURATION: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      FAKETIME_DONT_RESET: '1',
    },
    step,
  };
}

/** In the library folders, or one below them that is named after the machine. */
function findLibrary(): string | undefined {
  const places = FOLDERS.filter((folder) => existsSync(folder)).flatMap((folder) => [
    folder,
    ...readdirSync(folder)
      .filter((name) => name.includes('linux'))
      .map((name) => join(folder, name)),
  ]);
  return places.map((place) => join(place, LIBRARY)).find((path) => existsSync(path));
}
