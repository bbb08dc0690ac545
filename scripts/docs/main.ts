import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { packagePath } from '../../src/std/package.ts';
import { generatePages } from './pages.ts';

for (const [path, text] of await generatePages()) {
  const file = packagePath(path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text);
  process.stdout.write(`${path}\n`);
}
