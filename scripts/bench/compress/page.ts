import { writeFileSync } from 'node:fs';
import { machine, tableOf } from '../page.ts';
import type { SectionResult, Table } from './section.ts';

/** What is kept of a section between runs: sections can be measured one by one. */
export interface KeptSection extends SectionResult {
  readonly measuredOn: string;
}

const HEAD = `# Figures of compression

Written by \`npm run bench:compress -- --write\`; do not edit. What the figures mean and how they
are measured: [compression.md](compression.md). Every ratio is the middle one of rounds in which all
models take turns; ranges hold eight in ten rounds. A target that is missed says so.
`;

/** Writes the page of figures, all sections that were measured. */
export function writeFigures(file: string, sections: Readonly<Record<string, KeptSection>>): void {
  const parts = Object.entries(sections).map(([name, section]) => {
    const { rows, tables, measuredOn } = section;
    const judged = rows.length === 0 ? [] : [tableOf(rows)];
    return [`## ${name}`, measuredOn, ...judged, ...tables.map(formatTable)].join('\n\n');
  });
  writeFileSync(file, `${[HEAD.trimEnd(), ...parts].join('\n\n')}\n`);
}

/** What a section was measured on. */
export function measuredOn(): string {
  return machine();
}

/** A table in Markdown, with its title and how it was measured. */
export function formatTable({ title, how, head, lines }: Table): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  const rule = `|${head.map((_, at) => (at === 0 ? '---' : '--:')).join('|')}|`;
  return [`### ${title}`, how, [line(head), rule, ...lines.map(line)].join('\n')].join('\n\n');
}
