import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Bench, Section } from './bench.ts';
import { writeBenchFolders } from './flows.ts';
import { writePage } from './page.ts';
import { createRow, formatRows, type Row } from './row.ts';
import { sectionNames } from './section-names.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** In the order of the table; each is loaded when it runs. */
const SECTIONS: Readonly<Record<string, () => Promise<Section>>> = {
  large: async () => (await import('./sections/large.ts')).measureLarge,
  'full-load': async () => (await import('./sections/full-load.ts')).measureFullLoad,
  single: async () => (await import('./sections/one-at-a-time.ts')).measureOneAtATime,
  overload: async () => (await import('./sections/overload.ts')).measureOverload,
  picture: async () => (await import('./sections/picture.ts')).measurePicture,
  start: async () => (await import('./sections/start.ts')).measureStart,
  journal: async () => (await import('./sections/journal.ts')).measureJournal,
  store: async () => (await import('./sections/store.ts')).measureStore,
  growth: async () => (await import('./sections/growth.ts')).measureGrowth,
};

const HELP = `npm run -s bench -- [--json] [--only ${Object.keys(SECTIONS).join(',')}] [--quick]
  --json         only {"rows": [...]} on stdout
  --only a,b     these sections
  --quick        fewer and shorter measurements: for a look, not for figures
  --write        puts the table into docs/benchmarks.md
  --nodered DIR  where Node-RED is installed; default: where the tests keep theirs
  --trixie DIR   root of a Debian trixie with the Python peer; default .bench/trixie
`;

/** Full: the median of five; quick: enough to see that everything runs. */
const FULL = { rounds: 5, measureMs: 3000, overloadMs: 10_000 };
const QUICK = { rounds: 2, measureMs: 1000, overloadMs: 3000 };

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    only: { type: 'string' },
    quick: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    nodered: { type: 'string', default: join(ROOT, 'node_modules/.cache/ledge-node-red') },
    trixie: { type: 'string', default: join(ROOT, '.bench/trixie') },
    help: { type: 'boolean', default: false },
  },
});

process.exitCode = values.help ? help() : await main();

function help(): number {
  process.stdout.write(HELP);
  return 0;
}

async function main(): Promise<number> {
  const names = sectionNames(values.only, SECTIONS, HELP);
  if (names === undefined) return 2;
  const folder = join(ROOT, '.bench');
  mkdirSync(folder, { recursive: true });
  const bench: Bench = {
    folder,
    models: writeBenchFolders(folder),
    ...(values.quick ? QUICK : FULL),
    nodered: resolve(values.nodered),
    trixie: resolve(values.trixie),
    say: (text) => process.stderr.write(`${text}\n`),
  };
  const rows: Row[] = [];
  for (const name of names) rows.push(...(await runSection(name, bench)));
  const text = JSON.stringify({ rows }, null, 2);
  writeFileSync(join(folder, 'results.json'), `${text}\n`);
  if (values.write) writePage(join(ROOT, 'docs/benchmarks.md'), rows);
  process.stdout.write(values.json ? `${text}\n` : formatRows(rows));
  return rows.some(({ met }) => met === false) ? 1 : 0;
}

/** A section that fails is a row that is not met: the others are still measured. */
async function runSection(name: string, bench: Bench): Promise<readonly Row[]> {
  const startedAtMs = performance.now();
  try {
    const section = await SECTIONS[name]!();
    const rows = await section(bench);
    bench.say(`${name}: done in ${((performance.now() - startedAtMs) / 1000).toFixed(0)} s`);
    return rows;
  } catch (error) {
    bench.say(`${name}: FAILED: ${error instanceof Error ? error.stack : String(error)}`);
    const note = `FAILED: ${error instanceof Error ? error.message : String(error)}`;
    return [createRow({ name, unit: '', ledge: Number.NaN, judged: 'ledge >=', target: 0, note })];
  }
}
