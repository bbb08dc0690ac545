import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { workerFile } from '../../src/infer/thread.ts';

test('the worker refuses to load on the main thread', async () => {
  await expect(import(pathToFileURL(workerFile()).href)).rejects.toThrow('in a worker thread');
});
