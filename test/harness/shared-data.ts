import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const ROOT = new URL('../../../shared/data/', import.meta.url);

/** The path of third-party data beside the checkout, or undefined where it is not there. */
export function sharedData(path: string): string | undefined {
  const found = fileURLToPath(new URL(path, ROOT));
  if (existsSync(found)) return found;
  console.warn(`SKIPPED: ../shared/data/${path} is not here; the tests that need it do not run`);
  return undefined;
}
