import { execFileSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { mkdir, open, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openStore } from '../../src/store/database.ts';
import { openJournal } from '../../src/store/journal.ts';
import type { Store, StoreState, Write } from '../../src/store/store.ts';

const DISK_BYTES = 32 * 1024 * 1024;
const disk = mkdtempSync(join(tmpdir(), 'store-disk-'));
const mounted = mount('-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'tmpfs', disk);

function mount(...args: string[]): boolean {
  try {
    execFileSync('mount', args, { stdio: 'ignore' });
    return true;
  } catch {
    console.warn('SKIPPED: mounting is not allowed; the tests of a full disk do not run');
    return false;
  }
}

afterAll(async () => {
  if (mounted) execFileSync('umount', ['--lazy', disk]);
  await rm(disk, { recursive: true, force: true });
});

const put = (key: string, bytes: number): Write => ({
  kind: 'put',
  key,
  value: Buffer.alloc(bytes, key),
});

async function countOf(store: Store, prefix: string): Promise<number> {
  let count = 0;
  for await (const _ of store.entries(prefix)) count += 1;
  return count;
}

function reached(store: Store, state: StoreState): Promise<void> {
  if (store.state === state) return Promise.resolve();
  return new Promise((resolve) => {
    const stop = store.onState((now) => {
      if (now !== state) return;
      stop();
      resolve();
    });
  });
}

async function fillDisk(path: string): Promise<void> {
  const file = await open(path, 'w');
  try {
    for (;;) await file.write(Buffer.alloc(64 * 1024));
  } catch (error) {
    expect((error as NodeJS.ErrnoException).code).toBe('ENOSPC');
  } finally {
    await file.close();
  }
}

describe.skipIf(!mounted)('a store on a small disk (needs mounting)', () => {
  let folder: string;
  let number = 0;
  beforeEach(async () => {
    number += 1;
    folder = join(disk, `${number}`);
    await mkdir(folder);
  });
  afterEach(async () => {
    mount('-o', 'remount,rw', disk);
    await rm(folder, { recursive: true, force: true });
  });

  test('keeps every write while the disk is full and goes on once there is room', async () => {
    const store = await openStore({ folder: join(folder, 'store') });
    await store.write([put('before/1', 1000)]);
    await fillDisk(join(folder, 'ballast'));
    const states: StoreState[] = [];
    store.onState((state) => states.push(state));
    let settled = 0;
    const writes = Array.from({ length: 300 }, (_, at) =>
      store.write([put(`k/${at}`, 10_000)]).then(() => {
        settled += 1;
      }),
    );
    await reached(store, 'failing');
    expect(store.problem).toBeInstanceOf(Error);
    expect(await countOf(store, 'before/')).toBe(1);
    expect(await countOf(store, 'k/')).toBe(300);
    const later = store.write([put('late', 10)]);
    expect(settled).toBeLessThan(300);
    await rm(join(folder, 'ballast'));
    await Promise.all([...writes, later]);
    expect(states).toEqual(['failing', 'open']);
    expect(store.problem).toBeUndefined();
    await store[Symbol.asyncDispose]();
    await using again = await openStore({ folder: join(folder, 'store') });
    expect(await countOf(again, 'k/')).toBe(300);
    expect(await countOf(again, 'late')).toBe(1);
    expect(again.quarantined).toEqual([]);
  });

  test('survives a disk that fills again and again', async () => {
    const store = await openStore({ folder: join(folder, 'store') });
    let count = 0;
    for (let round = 0; round < 3; round += 1) {
      await fillDisk(join(folder, 'ballast'));
      const writes: Promise<void>[] = [];
      while (store.state === 'open' && writes.length < 1000) {
        writes.push(store.write([put(`k/${count}`, 3000)]));
        count += 1;
        await new Promise((resolve) => setImmediate(resolve));
      }
      await reached(store, 'failing');
      await rm(join(folder, 'ballast'));
      await Promise.all(writes);
      expect(await countOf(store, 'k/')).toBe(count);
    }
    await store[Symbol.asyncDispose]();
    await using again = await openStore({ folder: join(folder, 'store') });
    expect(await countOf(again, 'k/')).toBe(count);
    expect(again.quarantined).toEqual([]);
  });

  test('holds back who asks its journal whether it is writable', async () => {
    await using store = await openStore({ folder: join(folder, 'store') });
    const limits = { eventsMax: 1000, bytesMax: 1e9, gatherMs: 1 };
    const journal = await openJournal(store, limits);
    const told: string[] = [];
    journal.whenWritable(() => told.push('at once'));
    await fillDisk(join(folder, 'ballast'));
    const payload = Buffer.alloc(1_000_000);
    const record = { id: 'x', ts: 0, topic: 'in/a', qos: 1, payload } as const;
    const kept = new Promise<void>((resolve) => {
      journal.append('flow', record, () => resolve());
    });
    await reached(store, 'failing');
    journal.whenWritable(() => told.push('later'));
    expect(told).toEqual(['at once']);
    await rm(join(folder, 'ballast'));
    await kept;
    expect(told).toEqual(['at once', 'later']);
    expect(journal.count('flow').events).toBe(1);
  });

  test('says that it cannot be opened where nothing can be written', async () => {
    await mkdir(join(folder, 'store'));
    await fillDisk(join(folder, 'ballast'));
    await expect(openStore({ folder: join(folder, 'store') })).rejects.toMatchObject({
      code: 'data-unwritable',
    });
  });

  test('says that it cannot be opened on a read-only disk', async () => {
    await mkdir(join(folder, 'store'));
    mount('-o', 'remount,ro', disk);
    await expect(openStore({ folder: join(folder, 'store') })).rejects.toMatchObject({
      code: 'data-unwritable',
    });
  });

  test('goes on when its folder takes new files again', async () => {
    const path = join(folder, 'store');
    await using store = await openStore({ folder: path });
    await rename(path, `${path}.away`);
    await writeFile(path, '');
    const writes: Promise<void>[] = [];
    while (store.state === 'open' && writes.length < 2000) {
      writes.push(store.write([put(`k/${writes.length}`, 10_000)]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await reached(store, 'failing');
    await rm(path);
    await rename(`${path}.away`, path);
    await Promise.all(writes);
    expect(store.state).toBe('open');
    expect(await countOf(store, 'k/')).toBe(writes.length);
    expect(store.quarantined).toEqual([]);
  });

  test('gives up what waits when it is closed on a full disk', async () => {
    const store = await openStore({ folder: join(folder, 'store') });
    await fillDisk(join(folder, 'ballast'));
    const write = store.write([put('a', 8_000_000)]);
    await reached(store, 'failing');
    const outcome = expect(write).rejects.toMatchObject({ code: 'closed' });
    await store[Symbol.asyncDispose]();
    await outcome;
  });
});
