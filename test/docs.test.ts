import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { generatePages } from '../scripts/docs/pages.ts';
import { packagePath } from '../src/std/package.ts';

const pages = await generatePages();

test.each([...pages])('%s is what the schemas say (npm run docs)', async (path, text) => {
  expect(await readFile(packagePath(path), 'utf8')).toBe(text);
});
