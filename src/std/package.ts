import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const FILE = createRequire(import.meta.url).resolve('#package');

/** The folder that holds package.json: data files of the package are found below it. */
export const packageRoot = dirname(FILE);

/** A file or folder of the package. */
export function packagePath(...parts: string[]): string {
  return join(packageRoot, ...parts);
}

/** The version in package.json. */
export function packageVersion(): string {
  return (JSON.parse(readFileSync(FILE, 'utf8')) as { version: string }).version;
}
