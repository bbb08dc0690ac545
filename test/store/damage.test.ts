import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openStore } from '../../src/store/database.ts';
import type { Store, Write } from '../../src/store/store.ts';

const ENTRIES = 400;
const VALUE_BYTES = 20_000;
/** What one table holds at most: a log of 4 MiB, with the writes that made it full. */
const TABLE_ENTRIES_MAX = 220;

let parent: string;
let folder: string;

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'store-damage-'));
  folder = join(parent, 'store');
});
afterEach(() => rm(parent, { recursive: true, force: true }));

const keyOf = (at: number) => `k/${String(at).padStart(4, '0')}`;
const contentOf = (at: number) => Buffer.alloc(VALUE_BYTES, keyOf(at));

/** A closed store of 8 MB: some in tables, the last in the log. */
async function fill(): Promise<void> {
  await using store = await openStore({ folder, sync: 'off' });
  for (let at = 0; at < ENTRIES; at += 1) {
    const write: Write = { kind: 'put', key: keyOf(at), value: contentOf(at) };
    if (at % 10 === 9) await store.write([write]);
    else store.write([write]).catch(() => undefined);
  }
}

/** Reads everything: each value that comes must be the one that was written. */
async function soundEntries(store: Store): Promise<number> {
  let count = 0;
  for await (const [key, value] of store.entries('k/')) {
    expect(Buffer.compare(value, contentOf(Number(key.slice(2))))).toBe(0);
    count += 1;
  }
  return count;
}

async function filesLike(pattern: RegExp): Promise<string[]> {
  const names = (await readdir(folder)).filter((name) => pattern.test(name));
  return names.sort().map((name) => join(folder, name));
}

async function flip(path: string, at: (bytes: number) => number): Promise<void> {
  const bytes = await readFile(path);
  const place = at(bytes.length);
  bytes[place] = (bytes[place] as number) ^ 0x10;
  await writeFile(path, bytes);
}

const damages: {
  readonly name: string;
  readonly lostMax: number;
  damage(): Promise<void>;
}[] = [
  {
    name: 'a bit flipped in the middle of a table',
    lostMax: 1,
    damage: async () => flip((await filesLike(/\.ldb$/))[0]!, (bytes) => bytes >> 1),
  },
  {
    name: 'a bit flipped in the footer of a table',
    lostMax: TABLE_ENTRIES_MAX,
    damage: async () => flip((await filesLike(/\.ldb$/))[0]!, (bytes) => bytes - 4),
  },
  {
    name: 'a bit flipped in the index of a table',
    lostMax: TABLE_ENTRIES_MAX,
    damage: async () => flip((await filesLike(/\.ldb$/))[0]!, (bytes) => bytes - 100),
  },
  {
    name: 'a table cut in half',
    lostMax: TABLE_ENTRIES_MAX,
    damage: async () => truncate((await filesLike(/\.ldb$/))[0]!, 1_000_000),
  },
  {
    name: 'an empty table',
    lostMax: TABLE_ENTRIES_MAX,
    damage: async () => truncate((await filesLike(/\.ldb$/))[0]!, 0),
  },
  {
    name: 'a table gone',
    lostMax: TABLE_ENTRIES_MAX,
    damage: async () => rm((await filesLike(/\.ldb$/))[0]!),
  },
  {
    name: 'a bit flipped in the log',
    lostMax: ENTRIES / 4,
    damage: async () => flip((await filesLike(/\.log$/))[0]!, (bytes) => bytes >> 1),
  },
  {
    name: 'a bit flipped in the manifest',
    lostMax: 0,
    damage: async () => flip((await filesLike(/^MANIFEST/))[0]!, (bytes) => bytes >> 1),
  },
  {
    name: 'no CURRENT',
    lostMax: 0,
    damage: () => rm(join(folder, 'CURRENT')),
  },
  {
    name: 'a CURRENT without contents',
    lostMax: 0,
    damage: () => truncate(join(folder, 'CURRENT'), 0),
  },
  {
    name: 'no manifest',
    lostMax: 0,
    damage: async () => rm((await filesLike(/^MANIFEST/))[0]!),
  },
];

describe('a store whose files are damaged', () => {
  test.each(damages)('opens with $name, hands out only what is sound, and tells', async (given) => {
    await fill();
    await given.damage();
    const told: string[] = [];
    await using store = await openStore({ folder, onQuarantined: ({ path }) => told.push(path) });
    const count = await soundEntries(store);
    expect(count).toBeGreaterThanOrEqual(ENTRIES - given.lostMax);
    if (count < ENTRIES) expect(store.quarantined.length).toBeGreaterThan(0);
    for (const { path } of store.quarantined) {
      expect(await readdir(parent)).toContain(path.slice(parent.length + 1));
    }
    const again = store.quarantined.length;
    expect(await soundEntries(store)).toBe(count);
    expect(store.quarantined).toHaveLength(again);
    await store.write([{ kind: 'put', key: 'after', value: Buffer.from('x') }]);
    expect(Buffer.from((await store.get('after')) ?? []).toString()).toBe('x');
  });

  test('opens without the last record of a log that was cut off in the middle of it', async () => {
    await fill();
    const [log] = await filesLike(/\.log$/);
    await truncate(log!, (await readFile(log!)).length - 5);
    await using store = await openStore({ folder });
    expect(await soundEntries(store)).toBeGreaterThanOrEqual(ENTRIES - 10);
    expect(store.quarantined).toHaveLength(1);
    expect(store.quarantined[0]?.reason).toMatch(/^\d+\.log ends within a record, of which it has/);
  });

  test('is set aside whole where nothing of it can be read', async () => {
    await fill();
    for (const file of await readdir(folder)) await writeFile(join(folder, file), 'rubbish');
    await using store = await openStore({ folder });
    expect(await soundEntries(store)).toBe(0);
    expect(store.quarantined.length).toBeGreaterThan(0);
    await store.write([{ kind: 'put', key: 'after', value: Buffer.from('x') }]);
  });
});
