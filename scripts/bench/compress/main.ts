import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createRow, formatRows, type Row } from '../row.ts';
import { sectionNames } from '../section-names.ts';
import { formatTable, type KeptSection, measuredOn, writeFigures } from './page.ts';
import type { CompressBench, CompressSection, SectionResult } from './section.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** In the order of the page; each is loaded when it runs. */
const SECTIONS: Readonly<Record<string, () => Promise<CompressSection>>> = {
  distilgpt2: async () => (await import('./sections/distilgpt2.ts')).measureDistilgpt2,
  stories260k: async () => (await import('./sections/stories.ts')).measureStories,
  'real-models': async () => (await import('./sections/real-models.ts')).measureRealModels,
  'kws-ref': async () => (await import('./sections/keyword-reference.ts')).measureKeywordReference,
  ladder: async () => (await import('./sections/ladder.ts')).measureLadders,
};

const HELP = `npm run -s bench:compress -- [--json] [--only a,b] [--quick]
  --json         only {"rows": [...]} on stdout
  --only a,b     of ${Object.keys(SECTIONS).join(', ')}
  --quick        fewer rounds: for a look, not for figures
  --write        puts all that was measured into docs/compression-figures.md
  --trixie DIR   a Debian trixie with the official tool; default .bench/trixie
  --data DIR     real models and recordings; default ../shared/data
`;

const FULL = { rounds: 30, slowRounds: 5, quick: false };
const QUICK = { rounds: 5, slowRounds: 1, quick: true };

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    only: { type: 'string' },
    quick: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    trixie: { type: 'string', default: join(ROOT, '.bench/trixie') },
    data: { type: 'string', default: join(ROOT, '../shared/data') },
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
  const folder = join(ROOT, '.bench/compress');
  mkdirSync(folder, { recursive: true });
  const bench: CompressBench = {
    folder,
    data: existsSync(values.data) ? resolve(values.data) : undefined,
    trixie: resolve(values.trixie),
    ...(values.quick ? QUICK : FULL),
    say: (text) => process.stderr.write(`${text}\n`),
  };
  const kept = join(folder, 'results.json');
  const sections: Record<string, KeptSection> = readKept(kept);
  const rows: Row[] = [];
  for (const name of names) {
    const result = await runSection(name, bench);
    rows.push(...result.rows);
    sections[name] = { ...result, measuredOn: measuredOn() };
    writeFileSync(kept, `${JSON.stringify(sections, null, 2)}\n`);
  }
  if (values.write) writeFigures(join(ROOT, 'docs/compression-figures.md'), inOrder(sections));
  const tables = names.flatMap((name) => sections[name]?.tables.map(formatTable) ?? []);
  const text = [formatRows(rows), ...tables].join('\n');
  process.stdout.write(values.json ? `${JSON.stringify({ rows }, null, 2)}\n` : `${text}\n`);
  return rows.some(({ met }) => met === false) ? 1 : 0;
}

/** What earlier runs measured; a file of another form is begun anew. */
function readKept(file: string): Record<string, KeptSection> {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Record<string, KeptSection>;
  } catch {
    return {};
  }
}

function inOrder(sections: Readonly<Record<string, KeptSection>>) {
  const known = Object.keys(SECTIONS).filter((name) => name in sections);
  return Object.fromEntries(known.map((name) => [name, sections[name]!]));
}

/** A section that fails is a row that is not met: the others are still measured. */
async function runSection(name: string, bench: CompressBench): Promise<SectionResult> {
  const startedAtMs = performance.now();
  try {
    const section = await SECTIONS[name]!();
    const result = await section(bench);
    const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(0);
    bench.say(`${name}: done in ${seconds} s`);
    return result;
  } catch (error) {
    bench.say(`${name}: FAILED: ${error instanceof Error ? error.stack : String(error)}`);
    const note = `FAILED: ${error instanceof Error ? error.message : String(error)}`;
    const failed = { name, unit: '', ledge: Number.NaN, judged: 'ledge >=', target: 0 } as const;
    return { rows: [createRow({ ...failed, note })], tables: [] };
  }
}
