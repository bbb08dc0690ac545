import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openStore, type SyncMode } from '../../src/store/database.ts';
import type { Store, Write } from '../../src/store/store.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'store-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const put = (key: string, text: string): Write => ({ kind: 'put', key, value: Buffer.from(text) });
const add = (key: string, text: string): Write => ({
  kind: 'put',
  key,
  value: Buffer.from(text),
  fresh: true,
});
const remove = (key: string): Write => ({ kind: 'delete', key });

async function listed(store: Store, prefix: string): Promise<string[]> {
  const found: string[] = [];
  for await (const [key, value] of store.entries(prefix)) {
    found.push(`${key}=${Buffer.from(value).toString()}`);
  }
  return found;
}

describe.each<SyncMode>(['always', 'batch', 'off'])('a store with sync %s', (sync) => {
  const open = () => openStore({ folder: join(folder, 'store'), sync });

  test('gives back after a reopening what was written', async () => {
    const store = await open();
    await store.write([put('a/1', 'one'), put('b/1', 'other')]);
    await store.write([put('a/2', 'two'), remove('b/1')]);
    await store[Symbol.asyncDispose]();
    await using again = await open();
    expect(await listed(again, '')).toEqual(['a/1=one', 'a/2=two']);
    expect(again.quarantined).toEqual([]);
  });

  test('reads what still waits for the disk', async () => {
    await using store = await open();
    await store.write([put('a/1', 'one'), put('a/3', 'three')]);
    const written = [
      store.write([put('a/2', 'two')]),
      store.write([put('a/3', 'new')]),
      store.write([remove('a/1')]),
    ];
    expect(await store.get('a/1')).toBeUndefined();
    expect(Buffer.from((await store.get('a/3')) ?? []).toString()).toBe('new');
    expect(await listed(store, 'a/')).toEqual(['a/2=two', 'a/3=new']);
    await Promise.all(written);
    expect(await listed(store, 'a/')).toEqual(['a/2=two', 'a/3=new']);
  });

  test('writes at its closing what still waits', async () => {
    const store = await open();
    const written = store.write([put('a', 'x')]);
    await store[Symbol.asyncDispose]();
    await written;
    await using again = await open();
    expect(await listed(again, '')).toEqual(['a=x']);
    await expect(store.write([put('b', 'x')])).rejects.toMatchObject({ code: 'closed' });
  });
});

describe('a store', () => {
  test('lists a range in order, from a key on and up to a limit', async () => {
    await using store = await openStore({ folder: join(folder, 'store') });
    const keys = Array.from({ length: 700 }, (_, at) => `k/${String(at).padStart(4, '0')}`);
    await store.write(keys.map((key) => put(key, key)));
    const found: string[] = [];
    for await (const [key] of store.entries('k/', { after: 'k/0009', limit: 600 })) found.push(key);
    expect(found).toEqual(keys.slice(10, 610));
    expect(await listed(store, 'k/06')).toHaveLength(100);
    expect(await listed(store, 'other/')).toEqual([]);
  });

  test('never writes a new key that is deleted while it waits', async () => {
    const store = await openStore({ folder: join(folder, 'store'), batchMs: 10 });
    const first = store.write([add('a/1', 'x'), put('b', 'stays')]);
    const second = store.write([remove('a/1')]);
    expect(await store.get('a/1')).toBeUndefined();
    await Promise.all([first, second]);
    await store[Symbol.asyncDispose]();
    const logs = (await readdir(join(folder, 'store'))).filter((name) => name.endsWith('.log'));
    const bytes = Buffer.concat(
      await Promise.all(logs.map((name) => readFile(join(folder, 'store', name)))),
    );
    expect(bytes.includes('stays')).toBe(true);
    expect(bytes.includes('a/1')).toBe(false);
  });

  test('refuses puts over the limit of what may wait, but no deletes', async () => {
    await using store = await openStore({ folder: join(folder, 'store'), queueBytesMax: 1000 });
    const kept = store.write([put('a', 'x'.repeat(700))]);
    await expect(store.write([put('b', 'x'.repeat(700))])).rejects.toMatchObject({
      code: 'overflow',
      retriable: true,
    });
    await store.write([remove('a')]);
    await kept;
    expect(await listed(store, '')).toEqual([]);
  });

  test('refuses a folder that another store has open', async () => {
    await using first = await openStore({ folder: join(folder, 'store') });
    await expect(openStore({ folder: join(folder, 'store') })).rejects.toMatchObject({
      code: 'unavailable',
    });
    await first.write([put('a', 'x')]);
  });

  test('flushes everything that was queued before', async () => {
    await using store = await openStore({ folder: join(folder, 'store'), batchMs: 10 });
    let written = 0;
    const writes = Array.from({ length: 50 }, (_, at) =>
      store.write([put(`k/${at}`, 'x')]).then(() => {
        written += 1;
      }),
    );
    await store.flush();
    expect(written).toBe(50);
    await Promise.all(writes);
  });
});
