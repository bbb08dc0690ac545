import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openStore } from '../../src/store/database.ts';
import { bytesCut } from '../../src/store/log-tail.ts';

/** A record within a block, one over several blocks, and one that leaves no room for a header. */
const SIZES = [100, 70_000, 27_000, 5_000, 40];

test('a log of the library is whole at the ends of its records, and nowhere else', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'log-tail-'));
  await using store = await openStore({ folder, sync: 'always' });
  const ends = new Set([0]);
  let log = Buffer.alloc(0);
  for (const [at, size] of SIZES.entries()) {
    await store.write([{ kind: 'put', key: `k/${at}`, value: Buffer.alloc(size, at) }]);
    const [file] = (await readdir(folder)).filter((name) => name.endsWith('.log'));
    log = await readFile(join(folder, file ?? ''));
    ends.add(log.length);
  }
  expect(ends.size).toBe(SIZES.length + 1);
  const wrong: number[] = [];
  for (let length = 0; length <= log.length; length += 1) {
    const whole = bytesCut(log.subarray(0, length)) === 0;
    if (whole !== ends.has(length)) wrong.push(length);
  }
  expect(wrong).toEqual([]);
  await rm(folder, { recursive: true, force: true });
});
