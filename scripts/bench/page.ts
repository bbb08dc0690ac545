import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import type { Row } from './row.ts';

const BEGIN = '<!-- table: npm run bench -- --write -->';
const END = '<!-- end of table -->';

/** Puts the measured rows, with what they were measured on, between the marks of the page. */
export function writePage(file: string, rows: readonly Row[]): void {
  const page = readFileSync(file, 'utf8');
  const from = page.indexOf(BEGIN);
  const to = page.indexOf(END);
  if (from < 0 || to < from) throw new Error(`Cannot write ${file}: the marks are not there`);
  const measured = `${machine()}\n\n${tableOf(rows)}`;
  const before = page.slice(0, from + BEGIN.length);
  writeFileSync(file, `${before}\n${measured}\n${page.slice(to)}`);
}

/** What figures were measured on. */
export function machine(): string {
  const [first] = cpus();
  const memory = (totalmem() / 2 ** 30).toFixed(0);
  const day = new Date().toISOString().slice(0, 10);
  const cores = `${cpus().length} cores (${first?.model.trim() ?? 'unknown'})`;
  return `Measured on ${day}: ${cores}, ${memory} GiB, Node ${process.version}.`;
}

/** Judged rows as a table in Markdown. */
export function tableOf(rows: readonly Row[]): string {
  const lines = rows.map((row) => {
    const { name, reference, ledge, unit, ratio, target, judged, met, note } = row;
    const wanted = target === null ? '' : `${judged} ${target}`;
    const verdict = met === null ? '' : met ? 'yes' : '**no**';
    const cells = [name, reference ?? '', ledge ?? '', unit, ratio ?? '', wanted, verdict, note];
    return `| ${cells.map((cell) => String(cell).replaceAll('|', '\\|')).join(' | ')} |`;
  });
  const head = '| row | reference | Ledge | unit | ratio | target | met | note |';
  return [head, '|---|--:|--:|---|--:|---|---|---|', ...lines].join('\n');
}
