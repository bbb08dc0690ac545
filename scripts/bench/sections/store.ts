import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { openStore } from '../../../src/store/database.ts';
import type { Bench } from '../bench.ts';
import { createRow, type Row, skippedRow } from '../row.ts';
import { median } from '../statistics.ts';

/** One event of the small benchmark: 490 floats. */
const VALUE_BYTES = 1960;
const BATCH = 64;
const SINGLES = 100;
const BATCHES = 100;
/** A camera's picture. */
const LARGE_BYTES = 2 * 1024 * 1024;
const LARGES = 20;

/** A database with what is compared of it: each call resolves once its values are on disk. */
interface Candidate {
  write(entries: readonly (readonly [string, Uint8Array])[]): Promise<void>;
  close(): Promise<void>;
}

interface Measured {
  readonly singleMs: number;
  readonly batchMs: number;
  readonly largeMs: number;
  readonly blockedMs: number;
}

const FIGURES = [
  ['one value of 2 kB and its fsync', 'singleMs'],
  ['64 values of 2 kB and one fsync', 'batchMs'],
  ['a value of 2 MB and its fsync', 'largeMs'],
  ['longest hold of the event loop meanwhile', 'blockedMs'],
] as const;

/** LevelDB, as the store uses it, beside LMDB, where that is installed under .bench/lmdb. */
export async function measureStore(bench: Bench): Promise<readonly Row[]> {
  const lmdb = openLmdb(bench.folder);
  const ours: Measured[] = [];
  const theirs: Measured[] = [];
  for (let round = 1; round <= bench.rounds; round += 1) {
    ours.push(await measure(await openLevel(bench.folder)));
    bench.say(`store, round ${round}: LevelDB ${JSON.stringify(ours.at(-1))}`);
    if (lmdb === undefined) continue;
    theirs.push(await measure(lmdb()));
    bench.say(`store, round ${round}: LMDB ${JSON.stringify(theirs.at(-1))}`);
  }
  if (lmdb === undefined) bench.say('SKIPPED: LMDB: npm i --prefix .bench/lmdb lmdb');
  return FIGURES.map(([title, field]) => {
    const name = `store: ${title}`;
    const of = (all: readonly Measured[]): number => median(all.map((one) => one[field]));
    if (lmdb === undefined)
      return skippedRow(name, 'ms', 'LMDB is not installed under .bench/lmdb');
    return createRow({
      name,
      unit: 'ms',
      ledge: of(ours),
      reference: of(theirs),
      note: 'LevelDB; reference: LMDB',
    });
  });
}

async function measure(database: Candidate): Promise<Measured> {
  const loop = monitorEventLoopDelay({ resolution: 1 });
  let number = 0;
  const entries = (count: number, bytes: number): [string, Uint8Array][] =>
    Array.from({ length: count }, () => {
      number += 1;
      return [`journal/flow/${String(number).padStart(10, '0')}`, Buffer.alloc(bytes, number)];
    });
  const timed = async (times: number, make: () => [string, Uint8Array][]): Promise<number> => {
    const all: number[] = [];
    for (let time = 0; time < times; time += 1) {
      const values = make();
      const startedAtMs = performance.now();
      await database.write(values);
      all.push(performance.now() - startedAtMs);
    }
    return median(all);
  };
  await timed(10, () => entries(1, VALUE_BYTES));
  loop.enable();
  const singleMs = await timed(SINGLES, () => entries(1, VALUE_BYTES));
  const batchMs = await timed(BATCHES, () => entries(BATCH, VALUE_BYTES));
  const largeMs = await timed(LARGES, () => entries(1, LARGE_BYTES));
  loop.disable();
  await database.close();
  return { singleMs, batchMs, largeMs, blockedMs: loop.max / 1e6 };
}

async function openLevel(bench: string): Promise<Candidate> {
  const store = await openStore({ folder: freshFolder(bench, 'leveldb'), sync: 'always' });
  return {
    write: (entries) =>
      store.write(entries.map(([key, value]) => ({ kind: 'put', key, value }) as const)),
    close: async () => store[Symbol.asyncDispose](),
  };
}

/** What is used of LMDB's binding. */
interface Lmdb {
  open(options: object): {
    put(key: string, value: Uint8Array): Promise<boolean>;
    transaction(work: () => void): Promise<void>;
    close(): Promise<void>;
  };
}

function openLmdb(bench: string): (() => Candidate) | undefined {
  const root = join(bench, 'lmdb');
  if (!existsSync(join(root, 'node_modules/lmdb'))) return undefined;
  const lmdb = createRequire(join(root, 'package.json'))('lmdb') as Lmdb;
  return () => {
    const database = lmdb.open({
      path: freshFolder(bench, 'lmdb-data'),
      encoding: 'binary',
      // A write resolves once it is on disk, not before.
      overlappingSync: false,
    });
    return {
      write: (entries) =>
        database.transaction(() => {
          for (const [key, value] of entries) void database.put(key, value);
        }),
      close: () => database.close(),
    };
  };
}

function freshFolder(bench: string, name: string): string {
  const folder = join(bench, name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  return folder;
}
