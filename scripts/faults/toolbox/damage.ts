import { readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Random } from './random.ts';

/** Files below a folder that a store keeps its data in, with their sizes. */
export function dataFilesOf(folder: string): readonly { path: string; bytes: number }[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(ldb|log|mdb)$|^MANIFEST/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ path, bytes: statSync(path).size }))
    .filter(({ bytes }) => bytes > 0)
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Cuts off the end of a file, as a power cut leaves it. Gives what was done. */
export function tearFile(path: string, random: Random): string {
  const { size } = statSync(path);
  const left = random.between(0, size - 1);
  truncateSync(path, left);
  return `${path} cut from ${size} to ${left} bytes`;
}

/** Turns single bits of a file over. Gives what was done. */
export function flipBits(path: string, { random, count }: FlipOptions): string {
  const bytes = readFileSync(path);
  for (let flip = 0; flip < count; flip += 1) {
    const at = random.between(0, bytes.length - 1);
    bytes[at] = bytes[at]! ^ (1 << random.between(0, 7));
  }
  writeFileSync(path, bytes);
  return `${count} bits of ${path} (${bytes.length} bytes) turned over`;
}

export interface FlipOptions {
  readonly random: Random;
  readonly count: number;
}
